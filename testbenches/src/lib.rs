//! bitmill-testbenches
