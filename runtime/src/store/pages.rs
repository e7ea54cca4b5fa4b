//! LMDB's own pages, read from the file and checked before LMDB maps it.
//!
//! LMDB trusts its pages. A number in one that is wrong leads it to another page, to another row,
//! or out of the map, which ends the process by a signal. So [`examine`] reads the file with
//! ordinary reads and follows every number before LMDB does. What it takes from a page is bounded
//! by the page, and what it takes from the file by the file.
//!
//! # What is checked
//!
//! - Both *meta pages*: every field. A commit writes one of the two in turn, so their numbers
//!   differ by one. Each must fit the [`Record`] that its own commit wrote, and both of these are
//!   read.
//! - Every page that the newest commit can reach: its number, its flags, its bounds. The nodes of a
//!   page fill it from its upper bound to its end, without a gap and without an overlap.
//! - Order: keys ascend within a page, lie between the separators above it, and separators ascend
//!   between those above *them*. So a search from the root finds each key exactly where it is.
//! - Pages of large values: their run is as long as its first page says, lies in the file, and
//!   holds the value.
//! - The list of free pages, as LMDB will use it: no page is free twice, none is free and in use,
//!   none in use twice.
//! - The numbers in a tree's description: its depth, its pages of each kind, its entries.
//! - Each row, by what the caller does with it, and all of them by [`Sum`].
//!
//! What no page describes is not looked at: free pages, and the room between a page's bounds. LMDB
//! does not either.
//!
//! # What a power cut leaves
//!
//! LMDB writes a meta page last, when all else is synced, and reuses no page of the two newest
//! commits before that. Its fields lie in one sector of 512 bytes, which a disk writes whole or not
//! at all. So after a power cut both meta pages are whole, and so is what they lead to. One that is
//! not is damage.
//!
//! # The layout
//!
//! That of LMDB 0.9, as in `mdb.c`, on machines of 64 bits and in their order of bytes: `MDB_page`,
//! `MDB_meta`, `MDB_db` and `MDB_node`, without `MDB_DUPSORT`, which this program does not use.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::proof::{Record, Sum};
use super::{LONGEST_KEY, hex};

/// What a page may be, in its header.
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;
const META: u16 = 0x08;

/// What a node of a leaf may be.
const IN_PAGES: u16 = 0x01;
const TABLE: u16 = 0x02;

/// The size of a page's header, of a node's, and of a tree's description.
const PAGE_HEAD: usize = 16;
const NODE_HEAD: usize = 8;
const TREE: usize = 48;
/// Where a meta page's content ends.
const META_END: usize = 152;

/// The root of a tree with nothing in it.
const NO_PAGE: u64 = u64::MAX;
/// LMDB's cursors go no deeper.
const DEEPEST: u16 = 32;
/// No row is longer, as no encoded value is; with room for its checksum.
const LONGEST_ROW: usize = crate::codec::MAX_BYTES + 64;

/// Pages that are as close as this are read ahead together.
const NEAR: u64 = 8;

/// The names in the main tree, beside that of the rows.
pub(super) const ROWS: &str = "rows";
pub(super) const ABOUT: &str = "about";
/// The key of the [`Record`] in the main tree.
pub(super) const RECORD: &[u8] = b"digest";

/// Why a file cannot be used.
#[derive(Debug)]
pub(super) enum Fault {
    /// When it cannot be read.
    Io(io::Error),
    /// When what is in it is wrong: which page, and what.
    Damaged(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Found {
    /// The number of its newest commit.
    pub commit: u64,
    /// What that commit wrote of itself; `None` in a store of the first format.
    pub record: Option<Vec<u8>>,
    /// The same of the commit before it.
    pub before: Option<(u64, Option<Vec<u8>>)>,
    /// The length of the map, by the newest meta page.
    pub map_size: u64,
    /// By the meta page before it.
    pub map_size_before: u64,
    /// The record of the store's identity.
    pub identity: Option<Vec<u8>>,
    /// All rows. Only their number if they were not read.
    pub sum: Sum,
}

/// What is asked of [`examine`].
pub(super) enum Look<'a> {
    /// When only the pages that lead to the identity are read.
    Identity,
    /// When everything is read; this is called for each row, with its key and its value.
    All(&'a mut EachRow<'a>),
}

/// Is called for each row, with its key and its value; an error says that it is damaged.
pub(super) type EachRow<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), String> + 'a;

/// Reads an LMDB file, checks it, and says what it holds.
pub(super) fn examine(file: &File, look: Look<'_>) -> Result<Found, Fault> {
    let [older, newest] = metas(file)?;
    // What is only found by looking at everything is found; what leads to it is checked either way.
    let mut walk = Walk::new(file, &newest);
    let main = walk.main(&newest.main)?;
    let identity = walk.about(&main.about)?;
    let mut sum = Sum { rows: main.rows.entries, digest: 0 };
    if let Look::All(each) = look {
        sum = walk.rows(&main.rows, each)?;
        walk.free(&newest)?;
    }
    let before = if older.commit == 0 {
        None
    } else {
        Some((older.commit, Walk::new(file, &older).main(&older.main)?.record))
    };
    Ok(Found {
        commit: newest.commit,
        record: main.record,
        before,
        map_size: newest.map_size,
        map_size_before: older.map_size,
        identity,
        sum,
    })
}

fn damaged<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Damaged(what.into()))
}

fn wrong<T>(page: u64, what: impl std::fmt::Display) -> Result<T, Fault> {
    damaged(format!("page {page} {what}"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let mut number = [0; 2];
    number.copy_from_slice(&bytes[at..at + 2]);
    u16::from_ne_bytes(number)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_ne_bytes(number)
}

/// A meta page: where a commit begins.
struct Meta {
    page_size: usize,
    map_size: u64,
    free: Tree,
    main: Tree,
    last: u64,
    commit: u64,
}

/// What LMDB knows of a tree.
#[derive(Debug, PartialEq)]
struct Tree {
    depth: u16,
    branches: u64,
    leaves: u64,
    overflows: u64,
    entries: u64,
    root: u64,
}

/// The main tree: it names the others.
struct Main {
    rows: Tree,
    about: Tree,
    record: Option<Vec<u8>>,
}

/// Reads both meta pages: the older one, and the newest.
fn metas(file: &File) -> Result<[Meta; 2], Fault> {
    let length = file.metadata()?.len();
    if length < META_END as u64 {
        return damaged(format!("it is {length} bytes long, too short for any store"));
    }
    let mut bytes = [0; META_END];
    file.read_exact_at(&mut bytes, 0)?;
    if u32_at(&bytes, PAGE_HEAD) != 0xBEEF_C0DE {
        return damaged("it does not begin as an LMDB file does");
    }
    let page_size = u32_at(&bytes, 40);
    if !page_size.is_power_of_two() || !(512..=32768).contains(&page_size) {
        return damaged(format!("its header says that a page has {page_size} bytes"));
    }
    let first = meta(0, &bytes, page_size, length)?;
    let second_at = u64::from(page_size);
    if length < second_at + META_END as u64 {
        return damaged(format!(
            "it was truncated: it is {length} bytes long, and page 1 is not all there"
        ));
    }
    file.read_exact_at(&mut bytes, second_at)?;
    let second = meta(1, &bytes, page_size, length)?;
    let (zero, one) = (first.commit, second.commit);
    if zero.abs_diff(one) != 1 {
        return damaged(format!(
            "its meta pages are of commits {zero} and {one}, and should be of two that follow each other"
        ));
    }
    Ok(if zero < one { [first, second] } else { [second, first] })
}

/// Checks a meta page by itself.
fn meta(page: u64, bytes: &[u8], page_size: u32, length: u64) -> Result<Meta, Fault> {
    if u64_at(bytes, 0) != page || u16_at(bytes, 10) != META || u32_at(bytes, 12) != 0 {
        return wrong(page, "is no meta page");
    }
    if u32_at(bytes, 16) != 0xBEEF_C0DE {
        return wrong(page, "does not begin as LMDB's meta pages do");
    }
    if u32_at(bytes, 20) != 1 {
        let version = u32_at(bytes, 20);
        return wrong(page, format_args!("says that LMDB's format is {version}; it is 1"));
    }
    if u64_at(bytes, 24) != 0 {
        return wrong(page, "wants to be mapped at an address of its own");
    }
    if u32_at(bytes, 40) != page_size {
        return wrong(page, format_args!("says that a page has {} bytes", u32_at(bytes, 40)));
    }
    // `MDB_INTEGERKEY` for the list of free pages; none that is lasting for the main tree.
    if u16_at(bytes, 44) != 0x08 || u32_at(bytes, 88) != 0 || u16_at(bytes, 92) != 0 {
        return wrong(page, "describes trees of another kind than this program's");
    }
    let meta = Meta {
        page_size: page_size as usize,
        map_size: u64_at(bytes, 32),
        free: Tree::read(&bytes[40..]),
        main: Tree::read(&bytes[88..]),
        last: u64_at(bytes, 136),
        commit: u64_at(bytes, 144),
    };
    let size = u64::from(page_size);
    let used = meta.last.checked_add(1).and_then(|pages| pages.checked_mul(size));
    match used {
        Some(used) if meta.last >= 1 && used <= meta.map_size => {
            if used > length {
                return damaged(format!(
                    "it was truncated: it is {length} bytes long, and its header says that {used} are in use"
                ));
            }
        }
        _ => {
            return wrong(
                page,
                format_args!(
                    "says that its last page is {} in a map of {} bytes",
                    meta.last, meta.map_size
                ),
            );
        }
    }
    if !meta.map_size.is_multiple_of(size) {
        return wrong(page, format_args!("says that the map has {} bytes", meta.map_size));
    }
    if meta.commit & 1 != page && meta.commit != 0 {
        return wrong(page, format_args!("says that it is of commit {}", meta.commit));
    }
    Ok(meta)
}

impl Tree {
    fn read(bytes: &[u8]) -> Self {
        Tree {
            depth: u16_at(bytes, 6),
            branches: u64_at(bytes, 8),
            leaves: u64_at(bytes, 16),
            overflows: u64_at(bytes, 24),
            entries: u64_at(bytes, 32),
            root: u64_at(bytes, 40),
        }
    }

    /// What a walk through it finds must be this.
    fn to_be_found(&self) -> Self {
        Tree { ..*self }
    }
}

/// How keys are ordered.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// As bytes.
    Bytes,
    /// As one number of 8 bytes.
    Numbers,
}

impl Order {
    fn fits(self, key: &[u8]) -> bool {
        match self {
            Order::Bytes => (1..=LONGEST_KEY).contains(&key.len()),
            Order::Numbers => key.len() == 8,
        }
    }

    fn is_less(self, one: &[u8], other: &[u8]) -> bool {
        match self {
            Order::Bytes => one < other,
            Order::Numbers => u64_at(one, 0) < u64_at(other, 0),
        }
    }
}

/// What a tree is to be.
struct Rules<'a> {
    /// In messages.
    name: &'a str,
    order: Order,
    /// Which flags a node of a leaf may have.
    nodes: &'a [u16],
    /// The longest value that has pages of its own.
    longest: usize,
}

/// What lies between two separators.
#[derive(Clone, Copy)]
struct Between<'a> {
    low: Option<&'a [u8]>,
    high: Option<&'a [u8]>,
}

/// An entry of a leaf.
struct Entry<'a> {
    page: u64,
    flags: u16,
    key: &'a [u8],
    value: &'a [u8],
}

type Each<'a> = dyn FnMut(Entry<'_>) -> Result<(), Fault> + 'a;

/// A walk through the trees of one commit.
struct Walk<'a> {
    file: &'a File,
    page_size: usize,
    last: u64,
    /// A bit for each page: whether it is in use, or free.
    seen: Vec<u64>,
    /// Pages to read into.
    spare: Vec<Vec<u8>>,
    /// A value that has pages of its own.
    large: Vec<u8>,
    /// What was found of the tree in hand.
    found: Tree,
}

impl<'a> Walk<'a> {
    fn new(file: &'a File, meta: &Meta) -> Self {
        let mut walk = Walk {
            file,
            page_size: meta.page_size,
            last: meta.last,
            // The meta page was found to lie in the file, so this is a small part of the file's
            // length.
            seen: vec![0; (meta.last / 64 + 1) as usize],
            spare: Vec::new(),
            large: Vec::new(),
            found: Tree { depth: 0, branches: 0, leaves: 0, overflows: 0, entries: 0, root: 0 },
        };
        walk.seen[0] = 0b11;
        walk
    }

    fn main(&mut self, tree: &Tree) -> Result<Main, Fault> {
        let rules =
            Rules { name: "the main tree", order: Order::Bytes, nodes: &[0, TABLE], longest: 0 };
        let (mut rows, mut about, mut record) = (None, None, None);
        self.tree(&rules, tree, &mut |entry| {
            match (entry.key, entry.flags) {
                (key, TABLE) if entry.value.len() == TREE => {
                    let (pad, flags) = (u32_at(entry.value, 0), u16_at(entry.value, 4));
                    let table = Some(Tree::read(entry.value));
                    match str::from_utf8(key) {
                        Ok(ROWS) if (pad, flags) == (0, 0) => rows = table,
                        Ok(ABOUT) if (pad, flags) == (0, 0) => about = table,
                        _ => return wrong(entry.page, "names a table that no store has"),
                    }
                }
                (RECORD, 0) => record = Some(entry.value.to_vec()),
                _ => return wrong(entry.page, "holds what no store's main tree does"),
            }
            Ok(())
        })?;
        match (rows, about) {
            (Some(rows), Some(about)) => Ok(Main { rows, about, record }),
            _ => damaged("it is an LMDB file that holds no store of this program"),
        }
    }

    /// The record of the store's identity.
    fn about(&mut self, tree: &Tree) -> Result<Option<Vec<u8>>, Fault> {
        let rules = Rules { name: ABOUT, order: Order::Bytes, nodes: &[0], longest: 0 };
        let mut identity = None;
        self.tree(&rules, tree, &mut |entry| {
            if entry.key != super::identity::IDENTITY {
                return wrong(entry.page, "says more of the store than its identity");
            }
            identity = Some(entry.value.to_vec());
            Ok(())
        })?;
        Ok(identity)
    }

    fn rows(&mut self, tree: &Tree, each: &mut EachRow<'_>) -> Result<Sum, Fault> {
        let nodes = &[0, IN_PAGES];
        let rules = Rules { name: ROWS, order: Order::Bytes, nodes, longest: LONGEST_ROW };
        let mut sum = Sum::default();
        self.tree(&rules, tree, &mut |entry| {
            each(entry.key, entry.value).map_err(Fault::Damaged)?;
            if !sum.add_value(entry.key, entry.value) {
                return wrong(
                    entry.page,
                    format_args!("has a row too short at {}", hex(entry.key)),
                );
            }
            Ok(())
        })?;
        Ok(sum)
    }

    /// The list of free pages: for each commit, those that it made free, in descending order,
    /// behind their number.
    fn free(&mut self, meta: &Meta) -> Result<(), Fault> {
        let rules = Rules {
            name: "the list of free pages",
            order: Order::Numbers,
            nodes: &[0, IN_PAGES],
            longest: usize::MAX,
        };
        let mut lists = Vec::new();
        self.tree(&rules, &meta.free, &mut |entry| {
            let commit = u64_at(entry.key, 0);
            if !(1..=meta.commit).contains(&commit) {
                return wrong(
                    entry.page,
                    format_args!("lists pages that commit {commit} made free"),
                );
            }
            let words = entry.value.len() / 8;
            let pages = if words == 0 { u64::MAX } else { u64_at(entry.value, 0) };
            if !entry.value.len().is_multiple_of(8) || pages >= words as u64 {
                return wrong(entry.page, "has a list of free pages that does not end");
            }
            let list = entry.value[8..8 + 8 * pages as usize].chunks_exact(8);
            lists.push((entry.page, list.map(|page| u64_at(page, 0)).collect::<Vec<_>>()));
            Ok(())
        })?;
        for (at, list) in lists {
            if !list.is_sorted_by(|one, next| one > next) {
                return wrong(at, "has a list of free pages that is out of order");
            }
            for page in list {
                self.see(page, "the list of free pages")?;
            }
        }
        Ok(())
    }

    /// Goes through a tree, and compares it with its description.
    fn tree(&mut self, rules: &Rules<'_>, tree: &Tree, each: &mut Each<'_>) -> Result<(), Fault> {
        let (depth, root) = (tree.depth, tree.root);
        self.found = Tree { depth, branches: 0, leaves: 0, overflows: 0, entries: 0, root };
        if root == NO_PAGE {
            self.found.depth = 0;
        } else if !(1..=DEEPEST).contains(&depth) {
            return damaged(format!("{} is said to be {depth} pages deep", rules.name));
        } else {
            self.descend(rules, root, depth, Between { low: None, high: None }, each)?;
        }
        if self.found != *tree {
            return damaged(format!(
                "{} is said to be {:?}, and is {:?}",
                rules.name,
                tree.to_be_found(),
                self.found
            ));
        }
        Ok(())
    }

    /// Notes that a page is used, or free, which it may be once.
    fn see(&mut self, page: u64, by: &str) -> Result<(), Fault> {
        if page < 2 || page > self.last {
            return wrong(
                page,
                format_args!("is in {by}, and is none of pages 2 to {}", self.last),
            );
        }
        let (word, bit) = ((page / 64) as usize, 1 << (page % 64));
        if self.seen[word] & bit != 0 {
            return wrong(page, format_args!("is in {by}, and already somewhere else"));
        }
        self.seen[word] |= bit;
        Ok(())
    }

    fn descend(
        &mut self,
        rules: &Rules<'_>,
        number: u64,
        depth: u16,
        between: Between<'_>,
        each: &mut Each<'_>,
    ) -> Result<(), Fault> {
        self.see(number, rules.name)?;
        let mut bytes = self.spare.pop().unwrap_or_else(|| vec![0; self.page_size]);
        self.file.read_exact_at(&mut bytes, number * self.page_size as u64)?;
        let page = Page::read(number, &bytes, if depth == 1 { LEAF } else { BRANCH })?;
        if depth == 1 {
            self.found.leaves += 1;
            self.leaf(rules, &page, between, each)?;
        } else {
            self.found.branches += 1;
            self.branch(rules, &page, depth, between, each)?;
        }
        self.spare.push(bytes);
        Ok(())
    }

    fn branch(
        &mut self,
        rules: &Rules<'_>,
        page: &Page<'_>,
        depth: u16,
        Between { low, high }: Between<'_>,
        each: &mut Each<'_>,
    ) -> Result<(), Fault> {
        let number = page.number;
        // LMDB may leave a branch of one child in its own list, and nowhere else.
        if page.nodes < 2 && rules.order == Order::Bytes {
            return wrong(number, "is a branch with one child");
        }
        let mut below = low;
        for at in 1..page.nodes {
            let key = page.node(at)?.key;
            if !rules.order.fits(key) {
                return wrong(number, format_args!("has a separator of {} bytes", key.len()));
            }
            let rises = below.is_none_or(|below| rules.order.is_less(below, key));
            if !rises || !high.is_none_or(|high| rules.order.is_less(key, high)) {
                return wrong(number, format_args!("has the separator {} out of order", hex(key)));
            }
            below = Some(key);
        }
        let mut children = Vec::with_capacity(page.nodes);
        for at in 0..page.nodes {
            children.push(page.node(at)?.child());
        }
        self.read_ahead(children.iter().map(|&child| (child, 1)));
        for (at, &child) in children.iter().enumerate() {
            let low = if at == 0 { low } else { Some(page.node(at)?.key) };
            let high = if at + 1 < page.nodes { Some(page.node(at + 1)?.key) } else { high };
            self.descend(rules, child, depth - 1, Between { low, high }, each)?;
        }
        Ok(())
    }

    fn leaf(
        &mut self,
        rules: &Rules<'_>,
        page: &Page<'_>,
        Between { low, high }: Between<'_>,
        each: &mut Each<'_>,
    ) -> Result<(), Fault> {
        let number = page.number;
        let mut runs = Vec::new();
        for at in 0..page.nodes {
            let node = page.node(at)?;
            if node.flags == IN_PAGES {
                runs.push((u64_at(node.data, 0), self.pages(node.length)));
            }
        }
        self.read_ahead(runs.into_iter());
        let mut before: Option<&[u8]> = None;
        for at in 0..page.nodes {
            let node = page.node(at)?;
            let key = node.key;
            if !rules.order.fits(key) || !rules.nodes.contains(&node.flags) {
                return wrong(number, "has an entry that this program does not write");
            }
            let rises = match (before, low) {
                (Some(before), _) => rules.order.is_less(before, key),
                (None, Some(low)) => !rules.order.is_less(key, low),
                (None, None) => true,
            };
            if !rises || !high.is_none_or(|high| rules.order.is_less(key, high)) {
                return wrong(number, format_args!("has the key {} out of order", hex(key)));
            }
            before = Some(key);
            self.found.entries += 1;
            let (flags, page) = (node.flags, number);
            if flags == IN_PAGES {
                self.large(rules, u64_at(node.data, 0), node.length)?;
                let value = &self.large[PAGE_HEAD..PAGE_HEAD + node.length];
                each(Entry { page, flags, key, value })?;
            } else {
                each(Entry { page, flags, key, value: node.data })?;
            }
        }
        Ok(())
    }

    /// How many pages a value of this length takes.
    fn pages(&self, length: usize) -> u64 {
        (PAGE_HEAD + length).div_ceil(self.page_size) as u64
    }

    /// Reads a value that has pages of its own, with the header before it.
    fn large(&mut self, rules: &Rules<'_>, first: u64, length: usize) -> Result<(), Fault> {
        let mut head = [0; PAGE_HEAD];
        self.see(first, rules.name)?;
        let at = first * self.page_size as u64;
        self.file.read_exact_at(&mut head, at)?;
        if u64_at(&head, 0) != first || u16_at(&head, 10) != OVERFLOW {
            return wrong(first, "is not the first page of a large value, which it should be");
        }
        let pages = u64::from(u32_at(&head, 12));
        if pages < self.pages(length) || length > rules.longest {
            return wrong(first, format_args!("has {pages} pages for a value of {length} bytes"));
        }
        for page in first + 1..first + pages {
            // Ends at the file's last page, whatever the number says.
            self.see(page, rules.name)?;
        }
        self.found.overflows += pages;
        let all = PAGE_HEAD + length;
        if self.large.len() < all {
            self.large.resize(all, 0);
        }
        self.file.read_exact_at(&mut self.large[..all], at)?;
        Ok(())
    }

    /// Tells the system which runs of pages are read next, in the order in which they lie in the
    /// file.
    fn read_ahead(&self, runs: impl Iterator<Item = (u64, u64)>) {
        let runs = runs.filter(|(first, _)| *first <= self.last);
        let mut runs: Vec<_> = runs.collect();
        if runs.len() < 2 {
            return;
        }
        runs.sort_unstable();
        let size = self.page_size as u64;
        let mut ahead = runs[0];
        let advise = |(first, pages): (u64, u64)| {
            let length = std::num::NonZeroU64::new(pages * size);
            // Advice; without it, reading takes longer.
            let _ =
                rustix::fs::fadvise(self.file, first * size, length, rustix::fs::Advice::WillNeed);
        };
        for (first, pages) in runs.into_iter().skip(1) {
            if first <= ahead.0 + ahead.1 + NEAR {
                ahead.1 = ahead.1.max(first + pages - ahead.0);
            } else {
                advise(ahead);
                ahead = (first, pages);
            }
        }
        advise(ahead);
    }
}

/// A page of a tree, whose nodes lie in it.
struct Page<'a> {
    number: u64,
    bytes: &'a [u8],
    nodes: usize,
    is_leaf: bool,
}

/// A node of a page.
struct Node<'a> {
    key: &'a [u8],
    flags: u16,
    /// Of a leaf: how long the value is.
    length: usize,
    /// Of a leaf: the value, or where its pages are.
    data: &'a [u8],
    low: u16,
    high: u16,
}

impl Node<'_> {
    /// Of a branch: the page that it leads to.
    fn child(&self) -> u64 {
        u64::from(self.low) | u64::from(self.high) << 16 | u64::from(self.flags) << 32
    }
}

impl<'a> Page<'a> {
    /// A page of this kind, if its header is whole and its nodes fill it.
    fn read(number: u64, bytes: &'a [u8], kind: u16) -> Result<Self, Fault> {
        if u64_at(bytes, 0) != number {
            return wrong(number, format_args!("says that it is page {}", u64_at(bytes, 0)));
        }
        if u16_at(bytes, 10) != kind {
            let what = if kind == LEAF { "leaf" } else { "branch" };
            return wrong(number, format_args!("is no {what}, which it should be"));
        }
        let (lower, upper) = (usize::from(u16_at(bytes, 12)), usize::from(u16_at(bytes, 14)));
        let in_order = PAGE_HEAD < lower && lower <= upper && upper < bytes.len();
        if !in_order || !lower.is_multiple_of(2) {
            return wrong(number, format_args!("has bounds of {lower} and {upper}"));
        }
        let nodes = (lower - PAGE_HEAD) / 2;
        let page = Page { number, bytes, nodes, is_leaf: kind == LEAF };
        let mut places = Vec::with_capacity(nodes);
        for at in 0..nodes {
            let offset = page.offset(at);
            let size = page.node(at)?.size();
            places.push((offset, size.next_multiple_of(2)));
        }
        places.sort_unstable();
        let mut end = upper;
        for (offset, size) in places {
            if offset != end {
                return wrong(number, format_args!("has no entry at {end}, where one should be"));
            }
            end += size;
        }
        if end != bytes.len() {
            return wrong(number, format_args!("has entries that end at {end}"));
        }
        Ok(page)
    }

    fn offset(&self, at: usize) -> usize {
        usize::from(u16_at(self.bytes, PAGE_HEAD + 2 * at))
    }

    fn node(&self, at: usize) -> Result<Node<'a>, Fault> {
        let offset = self.offset(at);
        let out = || wrong(self.number, format_args!("has an entry that leaves it, at {offset}"));
        let Some(head) = self.bytes.get(offset..offset + NODE_HEAD) else {
            return out();
        };
        let (low, high, flags) = (u16_at(head, 0), u16_at(head, 2), u16_at(head, 4));
        let key_length = usize::from(u16_at(head, 6));
        let length = usize::from(low) | usize::from(high) << 16;
        let data_length = match (self.is_leaf, flags & IN_PAGES != 0) {
            (false, _) => 0,
            (true, true) => 8,
            (true, false) => length,
        };
        let rest = &self.bytes[offset + NODE_HEAD..];
        let Some((key, rest)) = rest.split_at_checked(key_length) else {
            return out();
        };
        let Some(data) = rest.get(..data_length) else {
            return out();
        };
        Ok(Node { key, flags, length, data, low, high })
    }
}

impl Node<'_> {
    fn size(&self) -> usize {
        NODE_HEAD + self.key.len() + self.data.len()
    }
}

impl Found {
    /// Compares what was found with what commits have written of themselves.
    ///
    /// `is_old` for a store in which no commit had to yet.
    pub(super) fn verify(
        &self,
        identity: u128,
        is_old: bool,
        is_summed: bool,
    ) -> Result<(), String> {
        match (&self.record, is_old) {
            (None, false) => {
                return Err("the record of its newest commit is missing".to_string());
            }
            (Some(_), true) => {
                return Err(
                    "it has a record of its newest commit, which no store of its format has"
                        .to_string(),
                );
            }
            (None, true) => return self.verify_old(),
            (Some(_), false) => {}
        }
        let before = self.before.as_ref();
        let before = before.and_then(|(commit, record)| Some((*commit, record.as_ref()?)));
        if let Some((commit, record)) = before {
            // Its tree is intact, so that a meta page which names another commit, or another map,
            // is found.
            let read = Record::read(record, identity);
            let read = read.ok_or("the record of the commit before its newest is unreadable")?;
            check_record(&read, commit, self.map_size_before)?;
        }
        let record = self.record.as_ref().and_then(|record| Record::read(record, identity));
        let record = record.ok_or("the record of its newest commit is unreadable")?;
        check_record(&record, self.commit, self.map_size)?;
        if record.sum.rows != self.sum.rows {
            return Err(format!(
                "it has {} rows, and its newest commit left {}",
                self.sum.rows, record.sum.rows
            ));
        }
        if is_summed && record.sum != self.sum {
            return Err("its rows are not those that its newest commit left: their digest differs"
                .to_string());
        }
        Ok(())
    }

    /// All rows, by the record of the newest commit.
    pub(super) fn recorded_sum(&self, identity: u128) -> Option<Sum> {
        Record::read(self.record.as_ref()?, identity).map(|record| record.sum)
    }

    fn verify_old(&self) -> Result<(), String> {
        if self.before.as_ref().is_some_and(|(_, record)| record.is_some()) {
            return Err("an older commit has a record, and its newest has none".to_string());
        }
        Ok(())
    }
}

fn check_record(record: &Record, commit: u64, map_size: u64) -> Result<(), String> {
    if record.commit != commit {
        return Err(format!(
            "a meta page says that it is of commit {commit}, and leads to commit {}",
            record.commit
        ));
    }
    if record.map_size != map_size {
        return Err(format!(
            "the meta page of commit {commit} says that the map has {map_size} bytes; it had {}",
            record.map_size
        ));
    }
    Ok(())
}
