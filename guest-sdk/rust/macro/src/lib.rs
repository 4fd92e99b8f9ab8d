//! `#[script]` of the crate argus-script, which exports it.

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

/// Makes a function the script of its crate, once. It takes the run's `Context` and gives `Result<Arguments>` or, for a
/// job of kind 7, `Result<Call>`.
#[proc_macro_attribute]
pub fn script(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let made = match attribute.into_iter().next() {
        Some(token) => Err(Fault(token.span(), "`#[script]` takes nothing")),
        None => function(item.clone()).map(|found| exports(&found)),
    };
    // The function stays as it is, so that nothing but the fault is reported.
    item.into_iter().chain(made.unwrap_or_else(Fault::report)).collect()
}

/// Why a function cannot be a script, and where.
struct Fault(Span, &'static str);

impl Fault {
    fn report(self) -> TokenStream {
        located(&format!("::core::compile_error! {{ {:?} }}", self.1), self.0)
    }
}

/// A function in the form of a script; its types are the compiler's to check.
struct Script {
    name: TokenTree,
    /// Whether its parameter is `_`: then no context is read for it.
    is_blind: bool,
}

fn function(item: TokenStream) -> Result<Script, Fault> {
    let mut tokens = item.into_iter();
    let keyword = loop {
        match tokens.next() {
            // Attributes, `pub` and what follows it in parentheses or braces.
            Some(TokenTree::Punct(_) | TokenTree::Group(_)) => {}
            Some(TokenTree::Ident(word)) if word.to_string() == "pub" => {}
            other => break other,
        }
    };
    let span = keyword.as_ref().map_or_else(Span::call_site, TokenTree::span);
    match keyword.map(|keyword| keyword.to_string()).as_deref() {
        Some("fn") => {}
        Some("async") => {
            return Err(Fault(span, "a script is no `async fn`: its host calls wait by themselves"));
        }
        Some("const" | "unsafe" | "extern") => return Err(Fault(span, "a script is a plain `fn`")),
        _ => return Err(Fault(span, "`#[script]` stands before the function that is the script")),
    }
    let Some(name) = tokens.next() else { return Err(Fault(span, "a script is a function with a name")) };
    let mut rest = tokens.peekable();
    let is_blind = match rest.next() {
        Some(TokenTree::Group(parameters)) if parameters.delimiter() == Delimiter::Parenthesis => {
            if parameters_of(&parameters) != 1 {
                let wanted = "a script takes the run's context and nothing else: `(context: Context)`";
                return Err(Fault(parameters.span(), wanted));
            }
            parameters.stream().into_iter().next().is_some_and(|first| first.to_string() == "_")
        }
        _ => return Err(Fault(name.span(), "a script has no type parameters and no lifetimes")),
    };
    match rest.peek() {
        Some(TokenTree::Punct(arrow)) if arrow.as_char() == '-' => Ok(Script { name, is_blind }),
        _ => Err(Fault(name.span(), "a script gives something: `-> Result<Arguments>` or `-> Result<Call>`")),
    }
}

/// How many parameters there are. Commas of types in `<...>` part none.
fn parameters_of(parameters: &Group) -> usize {
    let (mut count, mut depth, mut is_open) = (0, 0, false);
    for token in parameters.stream() {
        match token.to_string().as_str() {
            "," if depth == 0 => is_open = false,
            text => {
                depth += i32::from(text == "<") - i32::from(text == ">");
                count += usize::from(!is_open);
                is_open = true;
            }
        }
    }
    count
}

/// The check of its types, natively too, and what a keeper calls. Faults are shown where the name stands.
fn exports(Script { name, is_blind }: &Script) -> TokenStream {
    let run = if *is_blind { "run_blind" } else { "run" };
    let text = format!(
        "const _: () = {{
            const _: () = ::argus_script::guest::check({name});

            #[cfg(target_arch = \"wasm32\")]
            #[unsafe(no_mangle)]
            extern \"C\" fn abi_alloc(len: u32) -> u32 {{
                ::argus_script::guest::alloc(len)
            }}

            #[cfg(target_arch = \"wasm32\")]
            #[unsafe(no_mangle)]
            extern \"C\" fn run(ptr: u32, len: u32) -> u64 {{
                ::argus_script::guest::{run}(ptr, len, {name})
            }}
        }};"
    );
    located(&text, name.span())
}

/// Tokens whose faults are shown at a place of the author's.
fn located(text: &str, at: Span) -> TokenStream {
    let tokens: TokenStream = text.parse().expect("this crate writes Rust");
    spanned(tokens, Span::call_site().located_at(at))
}

fn spanned(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| {
            let mut token = match token {
                TokenTree::Group(group) => {
                    TokenTree::Group(Group::new(group.delimiter(), spanned(group.stream(), span)))
                }
                other => other,
            };
            token.set_span(span);
            token
        })
        .collect()
}
