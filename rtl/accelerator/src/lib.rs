//! bitmill-accelerator
