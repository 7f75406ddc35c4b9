//! Which files get which names, and what the lock is then. Nothing is read or written here.

mod squash;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use stairwell::lock::{Entry, Lock};
use stairwell::migration::{Direction, Script, file_name};
use stairwell::{Checksum, Version};

use super::refusal::{Refusal, Side};
use crate::db::new::next_version;

/// What orders migrations, also two of one version.
pub(super) type Id = (Version, String);

/// What either side had locked.
#[derive(Debug, Clone, Default)]
pub(super) struct Sides {
    /// What keeps its names.
    pub(super) theirs: Lock,
    /// What comes after it, beside what it has in common with theirs.
    pub(super) mine: Lock,
    /// What both came from, where that is known.
    pub(super) base: Option<Lock>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// Its digest as the lock has it; `None` for what is no text.
    checksum: Option<Checksum>,
}

impl Content {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        let (script, _) = Script::parse(String::new(), &bytes, Direction::Up);
        Self { checksum: script.map(|script| script.checksum()), bytes }
    }

    fn is(&self, checksum: Checksum) -> bool {
        self.checksum == Some(checksum)
    }
}

/// The migrations' files, and the texts that git has of those that both sides added.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub(super) here: BTreeMap<String, Content>,
    pub(super) in_git: Vec<(String, Content)>,
}

impl Files {
    fn has(&self, file: &str, checksum: Checksum) -> bool {
        self.here.get(file).is_some_and(|content| content.is(checksum))
    }

    /// What was locked under this name with this digest.
    fn find(&self, file: &str, checksum: Checksum) -> Option<&[u8]> {
        let in_git = self.in_git.iter().filter(|(name, _)| name == file).map(|(_, content)| content);
        let content = self.here.get(file).into_iter().chain(in_git).find(|content| content.is(checksum))?;
        Some(&content.bytes)
    }
}

/// One thing to do in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Gives a file another name, which none has.
    Rename { from: String, to: String },
    /// Writes a file that may be there.
    Write { file: String, bytes: Vec<u8> },
}

/// What to do, in this order, and what to say of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rebase {
    /// Old and new id, in order.
    pub(super) renamed: Vec<(String, String)>,
    /// The newest of theirs.
    pub(super) newest: Option<Version>,
    /// The newest that both had and that is older than everything that gets another version.
    pub(super) before: Option<Version>,
    pub(super) steps: Vec<Step>,
    pub(super) lock: Lock,
    /// Of what is renamed or was there before, what no lock has.
    pub(super) unlocked: usize,
}

/// A migration of mine: its files, with what each was locked as.
#[derive(Debug, Default)]
struct Own {
    files: BTreeMap<String, (Direction, Option<Checksum>)>,
}

/// Decides. `now` is the time that new versions are made of.
pub(super) fn plan(sides: &Sides, files: &Files, now: Timestamp) -> Result<Rebase, Refusal> {
    let sides = &with_edits(&squash::settled(sides, files)?, files);
    let (theirs, base) = (groups(&sides.theirs), sides.base.as_ref().map(groups));
    let mine = groups(&sides.mine);
    if let Some(base) = &base {
        check_history(base, &mine, &theirs)?;
    }
    let own = own(&mine, &theirs, base.as_ref(), files);
    for entry in sides.theirs.entries() {
        let id = id_of(entry);
        if !files.has(&entry.file, entry.checksum) && !own.contains_key(&id) {
            return Err(Refusal::not_as_locked(entry, files.here.contains_key(&entry.file)));
        }
    }
    let newest = sides.theirs.entries().last().map(|entry| entry.version);
    let mut rebase = Rebase { newest, ..Rebase::default() };
    let (mut last, mut steps, mut oldest) = (newest, Vec::new(), None);
    let mut entries: Vec<Entry> = sides.theirs.entries().to_vec();
    for ((version, name), own) in &own {
        let stays = last.is_none_or(|last| last < *version);
        let new = if stays { *version } else { next_version(now, last).map_err(|_| Refusal::NoVersion)? };
        last = Some(new);
        if !stays {
            oldest = oldest.or(Some(*version));
        }
        rebase.unlocked += usize::from(own.files.values().any(|(_, locked)| locked.is_none()));
        let (mut of_this, mut old_id) = (Vec::new(), None);
        for (file, (direction, locked)) in &own.files {
            let old = file.strip_suffix(direction.suffix()).unwrap_or(file);
            let id = if stays { old.to_owned() } else { format!("{new}_{name}") };
            let to = format!("{id}{}", direction.suffix());
            file_name(&to).map_err(|why| Refusal::Name { file: to.clone(), why })?;
            let bytes = source(files, file, *locked)?;
            let text = if stays { bytes.to_owned() } else { with_id(bytes, old, &id) };
            if let Some(checksum) = locked {
                let checksum = if text == bytes { Some(*checksum) } else { Content::of(text.clone()).checksum };
                let checksum = checksum.ok_or_else(|| Refusal::Unread { file: file.clone() })?;
                entries.push(Entry { file: to.clone(), version: new, direction: *direction, checksum });
            }
            if stays {
                continue;
            }
            old_id.get_or_insert_with(|| (old.to_owned(), id));
            // The name is theirs where both added one of this name.
            let is_theirs = sides.theirs.checksum(file).is_some();
            let is_edited = text != bytes;
            if !is_theirs {
                of_this.push(Step::Rename { from: file.clone(), to: to.clone() });
            }
            if is_theirs || is_edited {
                of_this.push(Step::Write { file: to, bytes: text });
            }
        }
        rebase.renamed.extend(old_id);
        steps.push(of_this);
    }
    for entry in sides.theirs.entries().iter().filter(|entry| !files.has(&entry.file, entry.checksum)) {
        let bytes = files.find(&entry.file, entry.checksum).ok_or_else(|| Refusal::not_as_locked(entry, true))?;
        // Last of all, which is first here.
        steps.insert(0, vec![Step::Write { file: entry.file.clone(), bytes: bytes.to_owned() }]);
    }
    // The newest first: one may get the name that another of them has now.
    rebase.steps = steps.into_iter().rev().flatten().collect();
    check_targets(&rebase.steps, files)?;
    // Where a database with the old versions surely has been: what I had, too, where that is known.
    let mut had: Vec<&Entry> =
        sides.theirs.entries().iter().filter(|entry| sides.mine.entries().contains(entry)).collect();
    if had.is_empty() {
        had = sides.theirs.entries().iter().collect();
    }
    let is_older = |version: &Version| oldest.is_none_or(|oldest| *version < oldest);
    rebase.before = had.iter().map(|entry| entry.version).filter(is_older).max();
    rebase.lock = Lock::from_entries(entries);
    Ok(rebase)
}

/// The sides after a commit that edits one of mine, which an earlier commit of this rebase has put behind theirs: git has carried the edit over
/// to the file's new name, and what is locked under that is the text that I locked, but for the name in it.
fn with_edits(sides: &Sides, files: &Files) -> Sides {
    let (theirs, before) = (groups(&sides.theirs), groups(&sides.mine));
    let edit = |entry: &Entry| {
        let stem = |file: &str| file.strip_suffix(entry.direction.suffix()).map(str::to_owned);
        let content = files.here.get(&entry.file)?;
        let is_it = |old: &&Entry| {
            let is_before = old.direction == entry.direction && name_of(&old.file) == name_of(&entry.file);
            let text = || Some(with_id(&content.bytes, &stem(&entry.file)?, &stem(&old.file)?));
            is_before
                && !theirs.contains_key(&id_of(old))
                && moved(&id_of(old), &before, &theirs)
                && text().is_some_and(|text| Content::of(text).is(old.checksum))
        };
        let old = sides.mine.entries().iter().find(is_it)?;
        Some((id_of(old), content.checksum?))
    };
    let mut carried = BTreeSet::new();
    let entries: Vec<Entry> = sides
        .theirs
        .entries()
        .iter()
        .map(|entry| match edit(entry) {
            Some((old, checksum)) => {
                carried.insert(old);
                Entry { checksum, ..entry.clone() }
            }
            None => entry.clone(),
        })
        .collect();
    // What was carried over is theirs now, and no longer something that both had.
    let rest = |lock: &Lock| {
        Lock::from_entries(lock.entries().iter().filter(|entry| !carried.contains(&id_of(entry))).cloned())
    };
    Sides { theirs: Lock::from_entries(entries), mine: rest(&sides.mine), base: sides.base.as_ref().map(rest) }
}

/// A migration's files with their digests.
type Group<'a> = BTreeMap<&'a str, Checksum>;

fn groups(lock: &Lock) -> BTreeMap<Id, Group<'_>> {
    let mut groups = BTreeMap::<Id, Group<'_>>::new();
    for entry in lock.entries() {
        groups.entry(id_of(entry)).or_default().insert(&entry.file, entry.checksum);
    }
    groups
}

fn id_of(entry: &Entry) -> Id {
    (entry.version, name_of(&entry.file))
}

fn name_of(file: &str) -> String {
    file_name(file).map(|name| name.name.to_owned()).unwrap_or_default()
}

/// What both had before must be as it was on both sides. One of mine that is theirs now, under a later version, was renamed when an earlier
/// commit of this rebase was done.
fn check_history(
    base: &BTreeMap<Id, Group<'_>>,
    mine: &BTreeMap<Id, Group<'_>>,
    theirs: &BTreeMap<Id, Group<'_>>,
) -> Result<(), Refusal> {
    for (id, was) in base {
        let (now, then) = (mine.get(id), theirs.get(id));
        let side = match (now, then) {
            _ if now == then => continue,
            (Some(now), None) if now == was && moved(id, base, theirs) => continue,
            (Some(now), _) if now == was => Side::Theirs,
            _ => Side::Mine,
        };
        let is = if side == Side::Mine { now } else { then };
        let file = was.keys().find(|file| is.and_then(|is| is.get(*file)) != was.get(*file));
        let file =
            file.or_else(|| is.and_then(|is| is.keys().next())).map_or_else(|| id.1.clone(), ToString::to_string);
        return Err(if is.is_some_and(|is| is.contains_key(file.as_str())) {
            Refusal::Edited { side, file }
        } else {
            let id = file.strip_suffix(".up.sql").or_else(|| file.strip_suffix(".down.sql")).unwrap_or(&file);
            Refusal::Removed { side, id: id.to_owned() }
        });
    }
    Ok(())
}

/// Whether they have one of this name under a later version, which was not there before.
fn moved(id: &Id, before: &BTreeMap<Id, Group<'_>>, theirs: &BTreeMap<Id, Group<'_>>) -> bool {
    theirs
        .keys()
        .any(|(version, name)| *version > id.0 && *name == id.1 && !before.contains_key(&(*version, name.clone())))
}

/// What is mine: what I had locked and they had not, and what no one has locked.
fn own(
    mine: &BTreeMap<Id, Group<'_>>,
    theirs: &BTreeMap<Id, Group<'_>>,
    base: Option<&BTreeMap<Id, Group<'_>>>,
    files: &Files,
) -> BTreeMap<Id, Own> {
    let mut own = BTreeMap::<Id, Own>::new();
    for (id, group) in mine {
        let is_old = base.is_some_and(|base| base.contains_key(id));
        let is_gone = group.keys().all(|file| !files.here.contains_key(*file));
        if theirs.get(id) == Some(group) || is_old || (is_gone && moved(id, mine, theirs)) {
            continue;
        }
        for (file, checksum) in group {
            let Ok(name) = file_name(file) else { continue };
            own.entry(id.clone()).or_default().files.insert((*file).to_owned(), (name.direction, Some(*checksum)));
        }
    }
    for file in files.here.keys() {
        let Ok(name) = file_name(file) else { continue };
        let id = (name.version, name.name.to_owned());
        if !theirs.contains_key(&id) {
            own.entry(id).or_default().files.entry(file.clone()).or_insert((name.direction, None));
        }
    }
    own
}

/// The bytes of a file of mine.
fn source<'a>(files: &'a Files, file: &str, locked: Option<Checksum>) -> Result<&'a [u8], Refusal> {
    let here = files.here.get(file);
    match locked {
        Some(checksum) => files
            .find(file, checksum)
            .ok_or_else(|| Refusal::NotAsLocked { file: file.to_owned(), is_here: here.is_some() }),
        None => here.map(|content| content.bytes.as_slice()).ok_or_else(|| Refusal::Unread { file: file.to_owned() }),
    }
}

/// No new name is one that another file has, or gets.
fn check_targets(steps: &[Step], files: &Files) -> Result<(), Refusal> {
    let mut here: BTreeSet<&str> = files.here.keys().map(String::as_str).collect();
    for step in steps {
        if let Step::Rename { from, to } = step {
            here.remove(from.as_str());
            if !here.insert(to) {
                return Err(Refusal::Taken { from: from.clone(), to: to.clone() });
            }
        }
    }
    Ok(())
}

/// The text with the id in the comments at its top as it is now, where they name it.
fn with_id(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_owned() };
    let (mut out, mut in_header) = (String::with_capacity(text.len()), true);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start_matches('\u{feff}').trim();
        in_header = in_header && (bare.is_empty() || bare.starts_with("--"));
        if in_header { out.push_str(&replace_word(line, old, new)) } else { out.push_str(line) }
    }
    out.into_bytes()
}

/// Replaces a word that stands by itself: `1_a` is not in `11_a`, and not in `1_ab`.
fn replace_word(line: &str, old: &str, new: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (mut out, mut done) = (String::new(), 0);
    for (at, _) in line.match_indices(old) {
        let end = at + old.len();
        let (before, behind) = (line.get(..at).unwrap_or_default(), line.get(end..).unwrap_or_default());
        if !before.ends_with(is_part) && !behind.starts_with(is_part) {
            out.extend([line.get(done..at).unwrap_or_default(), new]);
            done = end;
        }
    }
    out.push_str(line.get(done..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests;
