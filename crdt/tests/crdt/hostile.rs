//! Updates that no honest peer would write, made from nothing and from honest ones.

mod scene;

pub use scene::Scene;

use crate::forge::{Block, Content, KEY, ORIGIN, Parent, RIGHT, Section, Update};
use crate::rng::Rng;
use scene::near;

/// A whole update of random structs by some of the clients `own`; anything is pointed at. `deletes`: also delete.
pub fn update(rng: &mut Rng, scene: &Scene, own: &[u64], deletes: bool) -> Update {
    let mut writers = own.to_vec();
    rng.shuffle(&mut writers);
    writers.truncate(1 + rng.below(3));
    let mut update = Update::default();
    // All at one place, perhaps.
    let crowd = rng.chance(10).then(|| block(rng, scene, (writers[0], 0)));
    for client in writers {
        let clock = scene.clock(client);
        let clock = match rng.chance(4) {
            true => near(rng, clock),
            false => clock,
        };
        let count = 1 + rng.below(if crowd.is_some() { 30 } else { 6 });
        let mut section = Section {
            client,
            clock,
            blocks: Vec::new(),
        };
        let mut end = clock;
        for _ in 0..count {
            let mut block = block(rng, scene, (client, end));
            if let Some(place) = &crowd {
                block.content = std::mem::replace(&mut block, place.clone()).content;
            }
            end = end.saturating_add(block.len());
            section.blocks.push(block);
        }
        update.sections.push(section);
    }
    if deletes && rng.chance(2) {
        for _ in 0..1 + rng.below(2) {
            let range = range(rng, scene);
            update.deletes.push(range);
        }
    }
    update
}

fn range(rng: &mut Rng, scene: &Scene) -> (u64, Vec<(u64, u64)>) {
    let (client, clock) = rng.pick(&scene.clocks);
    let ranges = (0..1 + rng.below(3)).map(|_| {
        let from = rng.below(clock as usize + 2) as u64;
        (from, near(rng, 2))
    });
    (client, ranges.collect())
}

/// One struct, which will be the unit `id`.
fn block(rng: &mut Rng, scene: &Scene, id: (u64, u64)) -> Block {
    let mut block = Block::new(content(rng));
    block.key = rng.pick(&["a", "b", "c", "", "😀"]).to_owned();
    if rng.chance(8) {
        block.flags = KEY;
    }
    match rng.below(10) {
        // Where it may well stand.
        0..5 if let Some((left, right)) = scene.neighbours(rng) => {
            block.flags |= rng.pick(&[ORIGIN, ORIGIN, RIGHT, ORIGIN | RIGHT, ORIGIN | RIGHT]);
            (block.origin, block.right) = (left, right);
        }
        // Behind the unit before, as when somebody types.
        5 if id.1 > 0 => {
            block.flags |= ORIGIN;
            block.origin = (id.0, id.1 - 1);
        }
        6 => block.parent = Parent::Item(scene.type_id(rng)),
        7 => {
            let roots = ["text", "text", "rich", "map", "array", "xml", "values", ""];
            block.parent = Parent::Root(rng.pick(&roots).to_owned());
        }
        8 => {
            block.flags |= KEY;
            let root = rng.pick(&["map", "text"]).to_owned();
            block.parent = match rng.chance(2) {
                true => Parent::Item(scene.type_id(rng)),
                false => Parent::Root(root),
            };
        }
        // Anywhere.
        _ => {
            block.flags |= rng.pick(&[0, ORIGIN, RIGHT, ORIGIN | RIGHT]);
            (block.origin, block.right) = (scene.id(rng), scene.id(rng));
            block.parent = Parent::Item(scene.id(rng));
        }
    }
    block
}

fn content(rng: &mut Rng) -> Content {
    let some = |rng: &mut Rng, of: &[&str]| rng.pick(of).to_owned();
    let len = match rng.chance(12) {
        true => near(rng, 1),
        false => 1 + rng.below(5) as u64,
    };
    if rng.chance(60) {
        return unreadable(rng);
    }
    match rng.below(25) {
        0 => Content::Gc(len),
        1 => Content::Skip(len),
        2 | 3 => Content::Deleted(len),
        4 | 5 => {
            let values = ["1", "\"two\"", "{\"a\":[1,2]}", "undefined", "{"];
            Content::Json((0..rng.below(4)).map(|_| some(rng, &values)).collect())
        }
        6 => Content::Binary(vec![9; rng.below(5)]),
        7..13 => {
            let texts = [
                "x",
                "yz",
                "é😀w",
                "😀😀",
                "",
                "long enough to be cut in parts",
            ];
            Content::String(some(rng, &texts))
        }
        13 | 14 => Content::Embed(some(rng, &["1", "{\"a\":[1,2]}", "null", "\"s\""])),
        15..18 => {
            let values = ["true", "null", "\"red\"", "{\"href\":\"x\"}"];
            let key = some(rng, &["bold", "italic", "link", ""]);
            Content::Format(key, some(rng, &values))
        }
        18..21 => Content::Type(rng.below(7) as u64, some(rng, &["p", "b", ""])),
        21..23 => {
            let values: [&[u8]; 8] = [
                &[120],
                &[126],
                &[127],
                &[125, 5],
                &[119, 1, 97],
                &[116, 2, 0, 255],
                &[117, 2, 125, 1, 117, 0],
                &[118, 1, 1, 107, 121],
            ];
            let values = (0..rng.below(5)).map(|_| rng.pick(&values).to_vec());
            Content::Any(values.collect())
        }
        _ => {
            let options = [("gc", 120), ("autoLoad", 121), ("meta", 126)];
            let options = options.map(|(name, value)| (name.to_owned(), vec![value]));
            Content::Doc(some(rng, &["guid", ""]), options[rng.below(4)..].to_vec())
        }
    }
}

/// What has to be refused, and all of the update with it.
fn unreadable(rng: &mut Rng) -> Content {
    match rng.below(6) {
        0 => Content::Type(7 + rng.below(9) as u64, String::new()),
        1 => Content::Other(11 + rng.below(5) as u8, vec![0; rng.below(9)]),
        2 => Content::Embed("nul".to_owned()),
        3 => Content::Format("bold".to_owned(), "{".to_owned()),
        4 => Content::Doc(String::new(), vec![(String::new(), vec![1])]),
        _ => Content::Any(vec![vec![117, 200]]),
    }
}

/// An honest update in which clients, clocks, neighbours, parents, keys, contents, lengths, the order of
/// structs, or deletes are others.
pub fn bend(rng: &mut Rng, scene: &Scene, update: &mut Update) {
    for _ in 0..1 + rng.below(3) {
        if rng.chance(5) {
            bend_deletes(rng, scene, update);
        } else if !update.sections.is_empty() {
            let at = rng.below(update.sections.len());
            match rng.below(16) {
                0 => update.sections[at].clock = near(rng, update.sections[at].clock),
                1 => update.sections[at].client = rng.pick(&scene.clocks).0,
                2 => {
                    let twice = update.sections[at].clone();
                    update.sections.push(twice);
                }
                3 => drop(update.sections.remove(at)),
                _ => bend_blocks(rng, scene, &mut update.sections[at]),
            }
        }
    }
}

/// Other neighbours, parents, keys, contents and lengths in a section, by the same client from the same clock on.
pub fn bend_blocks(rng: &mut Rng, scene: &Scene, section: &mut Section) {
    let count = section.blocks.len();
    if count == 0 {
        return;
    }
    let at = rng.below(count);
    match rng.below(5) {
        0 => {
            let end = section.blocks[..at].iter().map(Block::len).sum::<u64>();
            let one = block(
                rng,
                scene,
                (section.client, section.clock.saturating_add(end)),
            );
            section.blocks.insert(at, one);
        }
        1 => drop(section.blocks.remove(at)),
        2 => {
            let other = rng.below(count);
            section.blocks.swap(at, other);
        }
        _ => bend_block(rng, scene, &mut section.blocks[at]),
    }
}

fn bend_block(rng: &mut Rng, scene: &Scene, block: &mut Block) {
    match rng.below(10) {
        0 => block.origin = scene.id(rng),
        1 => block.right = scene.id(rng),
        2 => std::mem::swap(&mut block.origin, &mut block.right),
        3 => block.right = block.origin,
        4 => block.flags ^= rng.pick(&[ORIGIN, RIGHT, KEY]),
        5 => block.parent = Parent::Item(scene.type_id(rng)),
        6 => block.key = rng.pick(&["a", "b", "c"]).to_owned(),
        7 => {
            if let Some((left, right)) = scene.neighbours(rng) {
                block.flags |= ORIGIN | RIGHT;
                (block.origin, block.right) = (left, right);
            }
        }
        8 => {
            // As many units as before, so that what follows stays in its place.
            block.content = match rng.below(3) {
                0 => Content::Gc(block.len()),
                1 => Content::Skip(block.len()),
                _ => Content::Deleted(block.len()),
            };
        }
        _ => block.content = content(rng),
    }
}

fn bend_deletes(rng: &mut Rng, scene: &Scene, update: &mut Update) {
    let at = rng.below(update.deletes.len());
    match update.deletes.get_mut(at) {
        Some((client, ranges)) if rng.chance(2) => match ranges.len() {
            0 => *client = rng.pick(&scene.clocks).0,
            count => {
                let range = &mut ranges[rng.below(count)];
                *range = (near(rng, range.0), near(rng, range.1));
            }
        },
        _ => {
            let range = range(rng, scene);
            update.deletes.push(range);
        }
    }
}

/// The bytes of an update with a few of them, or one of its numbers, bent.
pub fn bent(rng: &mut Rng, update: &Update) -> Vec<u8> {
    if rng.chance(3) {
        let at = rng.below(update.numbers());
        let lie = rng.pick(&[0, 1, 5, 300]);
        let lie = near(rng, lie);
        return update.write_lying(Some((at, lie)));
    }
    let mut out = update.write();
    for _ in 0..1 + rng.below(3) {
        if out.is_empty() {
            break;
        }
        let at = rng.below(out.len());
        match rng.below(6) {
            0 => out[at] ^= 1 << rng.below(8),
            1 => out[at] = out[at].wrapping_add(1),
            2 => out[at] = out[at].wrapping_sub(1),
            3 => out.truncate(at),
            4 => drop(out.remove(at)),
            _ => out.insert(at, rng.next() as u8),
        }
    }
    out
}
