//! bitmill-hdl
