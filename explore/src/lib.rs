//! bitmill-explore
