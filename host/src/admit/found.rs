//! What bytes hold, as far as admission asks: one pass over all sections, of components inside too.

use std::collections::BTreeSet;

use wasmparser::{
    BinaryReaderError, ComponentInstance, ComponentTypeRef, Encoding, ExternalKind, FunctionBody, Instance,
    Operator, Parser, Payload, TypeBounds, TypeRef,
};

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub is_component: bool,
    /// Functions and interfaces of the module or component itself, not of what lies inside.
    pub exports: BTreeSet<String>,
    /// Whether there is a memory under the name by which a run looks for it.
    pub exports_memory: bool,
    /// Module and name; of a component, the interface and nothing.
    pub imports: Vec<(String, String)>,
    pub imported_memory_or_table: bool,
    /// Of the module, or of all core modules inside a component; the pages that they start with.
    pub memories: u32,
    pub memory_pages: u64,
    pub table_elements: u64,
    /// Tables of the core module that has the most.
    pub tables: u32,
    pub functions: u64,
    /// How deep the blocks of a function lie inside each other at most, and the bytes of the largest body.
    pub nesting: u32,
    pub function_bytes: u64,
    /// Instances of core modules that components make.
    pub instances: u32,
    /// Components inside the component, how deep they lie, how many instances of them there are, and how many core
    /// modules are in them.
    pub components: u32,
    pub component_depth: u32,
    pub component_instances: u32,
    pub inner_modules: u32,
}

pub(super) fn read(wasm: &[u8]) -> Result<Found, BinaryReaderError> {
    let mut found = Found::default();
    // What encloses the part that is being read, the part itself included.
    let mut enclosing = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::Version { encoding, .. } => {
                enclosing.push(*encoding);
                let depth = enclosing.iter().filter(|e| **e == Encoding::Component).count();
                let depth = u32::try_from(depth).unwrap_or(u32::MAX);
                match encoding {
                    Encoding::Component if depth == 1 => found.is_component = true,
                    Encoding::Component => found.components += 1,
                    Encoding::Module if depth > 1 => found.inner_modules += 1,
                    Encoding::Module => {}
                }
                found.component_depth = found.component_depth.max(depth);
            }
            Payload::End(_) => {
                enclosing.pop();
            }
            _ => found.take(payload, enclosing.len() == 1)?,
        }
    }
    Ok(found)
}

impl Found {
    /// Whether components inside have code of their own.
    pub fn is_composed(&self) -> bool {
        self.inner_modules > 0
    }

    /// Takes in one section, of the outermost module or component or of one inside.
    fn take(&mut self, section: Payload<'_>, is_outermost: bool) -> Result<(), BinaryReaderError> {
        match section {
            Payload::ImportSection(reader) if is_outermost => {
                for import in reader.into_imports() {
                    let import = import?;
                    self.imported_memory_or_table |=
                        matches!(import.ty, TypeRef::Memory(_) | TypeRef::Table(_));
                    self.imports.push((import.module.to_owned(), import.name.to_owned()));
                }
            }
            Payload::ExportSection(reader) if is_outermost => {
                for export in reader {
                    let export = export?;
                    match export.kind {
                        ExternalKind::Func => drop(self.exports.insert(export.name.to_owned())),
                        ExternalKind::Memory => self.exports_memory |= export.name == "memory",
                        _ => {}
                    }
                }
            }
            Payload::ComponentImportSection(reader) if is_outermost => {
                for import in reader {
                    let import = import?;
                    // A name for a type that is known is no more than that.
                    if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        self.imports.push((import.name.name.to_owned(), String::new()));
                    }
                }
            }
            Payload::ComponentExportSection(reader) if is_outermost => {
                for export in reader {
                    self.exports.insert(export?.name.name.to_owned());
                }
            }
            Payload::InstanceSection(reader) => {
                for instance in reader {
                    let is_made = matches!(instance?, Instance::Instantiate { .. });
                    self.instances += u32::from(is_made);
                }
            }
            Payload::ComponentInstanceSection(reader) => {
                for instance in reader {
                    let is_made = matches!(instance?, ComponentInstance::Instantiate { .. });
                    self.component_instances += u32::from(is_made);
                }
            }
            Payload::FunctionSection(reader) => self.functions += u64::from(reader.count()),
            Payload::CodeSectionEntry(body) => {
                self.function_bytes = self.function_bytes.max(body.range().len() as u64);
                self.nesting = self.nesting.max(nesting(&body));
            }
            Payload::MemorySection(reader) => {
                self.memories = self.memories.saturating_add(reader.count());
                for memory in reader {
                    self.memory_pages = self.memory_pages.saturating_add(memory?.initial);
                }
            }
            Payload::TableSection(reader) => {
                self.tables = self.tables.max(reader.count());
                for table in reader {
                    self.table_elements = self.table_elements.saturating_add(table?.ty.initial);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// How deep the blocks of a function lie inside each other; of what cannot be read, up to there.
fn nesting(body: &FunctionBody<'_>) -> u32 {
    let Ok(operators) = body.get_operators_reader() else { return 0 };
    let (mut depth, mut deepest) = (0u32, 0);
    for operator in operators.into_iter().map_while(Result::ok) {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            Operator::End => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
