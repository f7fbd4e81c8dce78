//! Room in the cache: which records and objects can go, which ones first, and their removal.
//!
//! What no kept run names goes. What is still too much goes by what it would cost to compute it anew: the
//! fewest seconds a byte first. Knows nothing of runs but the keys and digests that they name.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use anyhow::Result;
use serde::Serialize;

use super::digest::Digest;
use super::disk;
use super::files::Files;
use super::inventory::{Inventory, Object};
use super::store::{Record, Store};

/// What recorded runs name.
#[derive(Debug, Default)]
pub struct Uses {
    /// Keys that kept runs name.
    pub keys: HashSet<Digest>,
    /// Digests of outputs that kept runs name.
    pub outputs: HashSet<Digest>,
    /// Keys and digests of outputs that runs name which aren't kept.
    pub former: HashSet<Digest>,
    /// What no run names stays all the same if it was made since then.
    pub since: Option<SystemTime>,
}

/// Why a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// One of its outputs is lost, so it can't be used.
    Lost,
    /// No kept run names it.
    Unnamed,
    /// There is too much, and it is cheap to compute for its size.
    Budget,
}

/// A record that goes.
#[derive(Clone, Debug)]
pub struct Evicted {
    /// Its key.
    pub key: Digest,
    /// The kind that ran.
    pub kind: String,
    /// How long it took.
    pub seconds: f64,
    /// The size of the objects that go with it.
    pub bytes: u64,
    /// Why it goes.
    pub why: Why,
}

/// How many objects, and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// How many.
    pub objects: usize,
    /// Their size.
    pub bytes: u64,
}

impl Total {
    /// Adds an object.
    pub fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

/// What goes and what stays.
#[derive(Debug, Default)]
pub struct Plan {
    /// Records that go, by reason, the largest first.
    pub evicted: Vec<Evicted>,
    /// Objects that go.
    pub objects: Vec<Object>,
    /// Objects among these that no record has.
    pub loose: Total,
    /// Objects that stay.
    pub kept: Total,
}

/// A record that may stay, or an object that a kept run names though no record has it any more.
struct Item {
    key: Option<Digest>,
    seconds: f64,
    outputs: Vec<Digest>,
}

/// Decides what goes: everything that no kept run names, and then the cheapest until the rest is within
/// the budget.
pub fn plan(inventory: &Inventory, records: &[(Digest, Record)], uses: &Uses, budget: Option<u64>) -> Plan {
    let objects: HashMap<Digest, Object> = inventory.objects.iter().map(|one| (one.digest, *one)).collect();
    let mut reasons = HashMap::new();
    let mut items = Vec::new();
    let used = used(records, &objects, uses);
    for (key, record) in records {
        match amiss(key, record, &objects, uses, &used) {
            Some(why) => drop(reasons.insert(*key, why)),
            None => items.push(Item {
                key: Some(*key),
                seconds: record.seconds,
                outputs: record
                    .outputs
                    .values()
                    .map(|output| output.digest)
                    .collect::<HashSet<_>>()
                    .into_iter()
                    .collect(),
            }),
        }
    }
    items.extend(pinned(&items, inventory, records, uses));
    let mut stock = Stock::new(&objects, items);
    if let Some(budget) = budget {
        let cheap = stock.shrink(budget);
        reasons.extend(cheap.into_iter().map(|key| (key, Why::Budget)));
    }
    stock.plan(inventory, records, &reasons)
}

/// The keys of partial results that records which stay were put together of.
fn used(records: &[(Digest, Record)], objects: &HashMap<Digest, Object>, uses: &Uses) -> HashSet<Digest> {
    let whole = records.iter().filter(|(_, record)| !record.memos.is_empty());
    let stay = whole.filter(|(key, record)| amiss(key, record, objects, uses, &HashSet::new()).is_none());
    stay.flat_map(|(_, record)| record.memos.iter().copied()).collect()
}

/// Why a record goes whatever the budget is.
fn amiss(
    key: &Digest,
    record: &Record,
    objects: &HashMap<Digest, Object>,
    uses: &Uses,
    used: &HashSet<Digest>,
) -> Option<Why> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for output in record.outputs.values() {
        match objects.get(&output.digest).filter(|object| object.bytes == output.bytes) {
            Some(object) => newest = newest.max(object.modified),
            None => return Some(Why::Lost),
        }
    }
    let named = uses.keys.contains(key) || used.contains(key);
    (!named && !uses.is_young(key, newest)).then_some(Why::Unnamed)
}

impl Uses {
    /// Whether no run names it but it was made only lately.
    fn is_young(&self, digest: &Digest, made: SystemTime) -> bool {
        self.since.is_some_and(|since| made >= since) && !self.former.contains(digest)
    }
}

/// Objects that stay though no record that stays has them: they can't be computed again, so they go last.
fn pinned(items: &[Item], inventory: &Inventory, records: &[(Digest, Record)], uses: &Uses) -> Vec<Item> {
    let held: HashSet<_> = items.iter().flat_map(|item| &item.outputs).collect();
    let recorded: HashSet<_> =
        records.iter().flat_map(|(_, record)| record.outputs.values().map(|output| output.digest)).collect();
    let stays = |object: &&Object| {
        let young = !recorded.contains(&object.digest) && uses.is_young(&object.digest, object.modified);
        !held.contains(&object.digest) && (uses.outputs.contains(&object.digest) || young)
    };
    let item = |object: &Object| Item { key: None, seconds: f64::INFINITY, outputs: vec![object.digest] };
    inventory.objects.iter().filter(stays).map(item).collect()
}

/// What would stay, with how many hold each object.
struct Stock<'a> {
    objects: &'a HashMap<Digest, Object>,
    items: Vec<Item>,
    holders: HashMap<Digest, usize>,
    total: Total,
}

impl<'a> Stock<'a> {
    fn new(objects: &'a HashMap<Digest, Object>, items: Vec<Item>) -> Self {
        let mut stock = Self { objects, items: Vec::new(), holders: HashMap::new(), total: Total::default() };
        items.iter().for_each(|item| stock.hold(item));
        stock.items = items;
        stock
    }

    fn bytes(&self, digest: &Digest) -> u64 {
        self.objects.get(digest).map_or(0, |object| object.bytes)
    }

    fn hold(&mut self, item: &Item) {
        for digest in &item.outputs {
            let count = self.holders.entry(*digest).or_default();
            *count += 1;
            if *count == 1 {
                self.total.add(self.objects.get(digest).map_or(0, |object| object.bytes));
            }
        }
    }

    fn release(&mut self, item: &Item) {
        for digest in &item.outputs {
            let Some(count) = self.holders.get_mut(digest) else { continue };
            *count -= 1;
            if *count == 0 {
                self.holders.remove(digest);
                self.total.objects -= 1;
                self.total.bytes -= self.objects.get(digest).map_or(0, |object| object.bytes);
            }
        }
    }

    /// Seconds a byte, where an object that several hold counts for each of them in part; nothing for one
    /// that takes no room.
    fn cost(&self, item: &Item) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for ranking")]
        let part = |digest: &Digest| self.bytes(digest) as f64 / self.holders[digest] as f64;
        let bytes: f64 = item.outputs.iter().map(part).sum();
        (bytes > 0.0).then_some(item.seconds / bytes)
    }

    /// Lets the cheapest items go until the rest is within the budget; their keys.
    fn shrink(&mut self, budget: u64) -> Vec<Digest> {
        let items = std::mem::take(&mut self.items);
        let mut order: Vec<_> =
            items.iter().enumerate().filter_map(|(at, item)| Some((self.cost(item)?, at))).collect();
        let size = |at: usize| items[at].outputs.iter().map(|digest| self.bytes(digest)).sum::<u64>();
        order.sort_by(|one, two| {
            one.0
                .total_cmp(&two.0)
                .then(size(two.1).cmp(&size(one.1)))
                .then(items[one.1].key.cmp(&items[two.1].key))
        });
        let mut gone = Vec::new();
        for (_, at) in order {
            if self.total.bytes <= budget {
                break;
            }
            self.release(&items[at]);
            gone.push(at);
        }
        // The dearest first: whatever still fits, because others hold its objects, needn't go.
        gone.reverse();
        gone.retain(|at| {
            self.hold(&items[*at]);
            let fits = self.total.bytes <= budget;
            if !fits {
                self.release(&items[*at]);
            }
            !fits
        });
        gone.into_iter().filter_map(|at| items[at].key).collect()
    }

    fn plan(
        self,
        inventory: &Inventory,
        records: &[(Digest, Record)],
        reasons: &HashMap<Digest, Why>,
    ) -> Plan {
        let goes = |object: &&Object| !self.holders.contains_key(&object.digest);
        let objects: Vec<_> = inventory.objects.iter().filter(goes).copied().collect();
        let mut sizes: HashMap<_, _> = objects.iter().map(|object| (object.digest, object.bytes)).collect();
        let mut evicted = Vec::new();
        for (key, record) in records {
            let Some(why) = reasons.get(key) else { continue };
            // One that several records had is counted at the first of them.
            let bytes = record.outputs.values().filter_map(|output| sizes.remove(&output.digest)).sum();
            evicted.push(Evicted {
                key: *key,
                kind: record.kind.clone(),
                seconds: record.seconds,
                bytes,
                why: *why,
            });
        }
        evicted.sort_by(|one, two| (one.why, two.bytes, one.key).cmp(&(two.why, one.bytes, two.key)));
        #[expect(clippy::disallowed_methods, reason = "a sum of whole numbers")]
        let loose = Total { objects: sizes.len(), bytes: sizes.values().sum() };
        Plan { evicted, objects, loose, kept: self.total }
    }
}

/// What else could go: objects that were damaged.
pub fn damaged(store: &Store) -> Total {
    let mut total = Total::default();
    for path in disk::list(&store.damaged()) {
        total.add(std::fs::metadata(path).map_or(0, |meta| meta.len()));
    }
    total
}

/// Does what was planned. The index comes first: a kill in between leaves objects that nobody knows, and no
/// record of one that isn't there.
///
/// # Errors
/// When the disk is full or something can't be removed; what remains is sound.
pub fn carry_out(plan: &Plan, store: &Store) -> Result<()> {
    let gone: HashSet<_> = plan.evicted.iter().map(|evicted| evicted.key).collect();
    if !gone.is_empty() || store.damaged_lines() > 0 || store.index_is_wasteful() {
        store.rewrite_records(&|key| !gone.contains(key))?;
    }
    for object in &plan.objects {
        store.remove(&object.digest)?;
    }
    for path in disk::list(&store.damaged()) {
        disk::remove(&path)?;
    }
    mend_files(store)
}

/// Drops damaged lines of both logs; only for who has the cache alone.
///
/// # Errors
/// When the disk is full.
pub fn mend(store: &Store) -> Result<()> {
    if store.damaged_lines() > 0 {
        store.rewrite_records(&|_| true)?;
    }
    mend_files(store)
}

fn mend_files(store: &Store) -> Result<()> {
    let mut files = Files::open(&store.files_log())?;
    if files.damaged_lines() > 0 || files.is_wasteful() {
        files.rewrite(store.scratch()?.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
