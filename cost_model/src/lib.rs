//! bitmill-cost-model
