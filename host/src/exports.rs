//! Where a module's exports are: found when the module is made ready, not by name in each run.

use wasmtime::{AsContextMut, Extern, Func, Instance, Memory, Module, ModuleExport};

/// One export that a module may have.
#[derive(Clone, Copy)]
pub(crate) struct Place(Option<ModuleExport>);

/// Those that the host calls or reads.
#[derive(Clone, Copy)]
pub(crate) struct Exports {
    memory: Place,
    pub abi_alloc: Place,
    pub initialize: Place,
    pub start: Place,
    pub run: Place,
}

impl Exports {
    pub fn of(module: &Module) -> Self {
        let at = |name| Place(module.get_export_index(name));
        Self {
            memory: at("memory"),
            abi_alloc: at("abi_alloc"),
            initialize: at("_initialize"),
            start: at("_start"),
            run: at("run"),
        }
    }

    pub fn memory(&self, store: impl AsContextMut, instance: &Instance) -> Option<Memory> {
        self.memory.of(store, instance)?.into_memory()
    }
}

impl Place {
    /// The function there; `None`: there is none.
    pub fn func(self, store: impl AsContextMut, instance: &Instance) -> Option<Func> {
        self.of(store, instance)?.into_func()
    }

    fn of(self, store: impl AsContextMut, instance: &Instance) -> Option<Extern> {
        instance.get_module_export(store, &self.0?)
    }
}

/// The exports of one module that are the imports of another, in the latter's order.
pub(crate) struct Links(Vec<Place>);

impl Links {
    /// `None`: `module` imports something else than what `from` exports, or under another name than `from_name`.
    pub fn between(from: &Module, from_name: &str, module: &Module) -> Option<Self> {
        let place = |import: wasmtime::ImportType<'_>| {
            let export = from.get_export_index(import.name())?;
            (import.module() == from_name).then_some(Place(Some(export)))
        };
        module.imports().map(place).collect::<Option<_>>().map(Self)
    }

    pub fn of(&self, mut store: impl AsContextMut, instance: &Instance) -> Vec<Extern> {
        self.0.iter().filter_map(|place| place.of(store.as_context_mut(), instance)).collect()
    }
}
