//! Which precision for which layer: the least loss of quality within a budget of time, energy or bytes.
//!
//! After HAWQ-V3 (Yao et al., ICML 2021, section 3.4) and AdaQuant (Hubara et al., ICML 2021, section 4): every layer has a
//! sensitivity and a cost in every format, both are taken to add up over layers, and an integer linear program chooses. Sensitivities
//! are measured here, one layer changed at a time, and costs are those of the simulator and the cost model.

mod evolutionary;
mod greedy;
mod hardware;
mod ilp;
mod language;
mod network;
mod problem;
mod subject;

pub use hardware::{Hardware, Resource};
pub use language::LanguageSubject;
pub use network::NetworkSubject;
pub use problem::{Method, Problem};
pub use subject::{Cost, Measure, Study, Subject};
