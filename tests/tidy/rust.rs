//! What is looked at in Rust files, as `syn` reads them.

use super::files::File;
use proc_macro2::{Span, TokenStream, TokenTree};
use std::collections::BTreeSet;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A function, and how long it is.
pub struct Function {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub line: usize,
    /// How many lines it has, its documentation not counted.
    pub lines: usize,
}

/// What `syn` makes of a file.
pub fn parsed(file: &File) -> syn::File {
    syn::parse_file(&file.text).unwrap_or_else(|why| panic!("{}: {why}", file.path))
}

/// All functions of a file, those of traits and blocks too.
pub fn functions(file: &File) -> Vec<Function> {
    let mut finder = Functions(Vec::new());
    finder.visit_file(&parsed(file));
    finder.0
}

struct Functions(Vec<Function>);

impl Functions {
    fn found(&mut self, signature: &syn::Signature, end: Span) {
        let (line, last) = (signature.span().start().line, end.end().line);
        self.0.push(Function { name: signature.ident.to_string(), line, lines: last - line + 1 });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.found(&function.sig, function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.found(&function.sig, function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        let end = function.default.as_ref().map_or(function.sig.span(), Spanned::span);
        self.found(&function.sig, end);
        visit::visit_trait_item_fn(self, function);
    }
}

/// What the formatter puts on one line, however it is written.
const ONE_LINE: [&str; 1] = ["Actor<State: Intern, Msg: Intern + Ord, Timer: Intern + Ord"];

/// The lines that may be as wide as they are: those on which a string literal stands, since the
/// formatter does not wrap them and a text that a program prints can be read best in one piece; and
/// rows of tables in comments.
pub fn lines_that_cannot_be_wrapped(file: &File) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    let stream: TokenStream =
        file.text.parse().unwrap_or_else(|why| panic!("{}: {why}", file.path));
    collect(stream, &mut lines);
    for (number, line) in file.lines() {
        if ONE_LINE.iter().any(|bounds| line.trim_start().starts_with(bounds)) {
            lines.insert(number);
        }
        if let Some(comment) = line.trim_start().strip_prefix("//") {
            match comment.trim_start_matches(['/', '!']).trim_start().starts_with('|') {
                true => lines.insert(number),
                false => lines.remove(&number),
            };
        }
    }
    lines
}

fn collect(stream: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => collect(group.stream(), lines),
            TokenTree::Literal(literal) if literal.to_string().contains('"') => {
                lines.extend(literal.span().start().line..=literal.span().end().line);
            }
            _ => {}
        }
    }
}
