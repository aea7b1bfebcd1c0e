//! All modules below a top module, each once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{HdlError, Module};

/// A top module and every module it instantiates.
#[derive(Clone, Debug)]
pub struct Design {
    /// The top module.
    pub top: Arc<Module>,
    /// Every module once, children before parents; the top is the last.
    pub modules: Vec<Arc<Module>>,
}

impl Design {
    /// Collects the modules below `top`.
    ///
    /// # Errors
    /// [`HdlError::ModuleNameClash`] when two different modules share a name.
    pub fn new(top: &Arc<Module>) -> Result<Design, HdlError> {
        let mut seen = BTreeMap::new();
        let mut modules = Vec::new();
        collect(top, &mut seen, &mut modules)?;
        Ok(Design { top: Arc::clone(top), modules })
    }
}

fn collect(
    module: &Arc<Module>,
    seen: &mut BTreeMap<String, Arc<Module>>,
    modules: &mut Vec<Arc<Module>>,
) -> Result<(), HdlError> {
    if let Some(known) = seen.get(&module.name) {
        if Arc::ptr_eq(known, module) || known == module {
            return Ok(());
        }
        return Err(HdlError::ModuleNameClash { name: module.name.clone() });
    }
    seen.insert(module.name.clone(), Arc::clone(module));
    for instance in &module.instances {
        collect(&instance.module, seen, modules)?;
    }
    modules.push(Arc::clone(module));
    Ok(())
}
