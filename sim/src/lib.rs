//! bitmill-sim
