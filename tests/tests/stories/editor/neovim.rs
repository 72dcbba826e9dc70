//! Neovim itself, with keys as people type them. `ROPEWALK_NEOVIMS` says how many seeds, `ROPEWALK_EDITOR_SEED` the first,
//! and `ROPEWALK_TEAMTYPE` where Teamtype's own plugin is.

use ropewalk_tests::neovim::Neovim;

use super::chance::{back, setting, theirs};
use super::*;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng};
use yrs::Text as _;

const KEYS: [&str; 32] = [
    "dd",
    "x",
    "yyp",
    "J",
    "<gt><gt>",
    "u",
    "<C-r>",
    "gg",
    "G",
    "w",
    "b",
    "j",
    "k",
    "p",
    "P",
    "~",
    "gUU",
    "D",
    "dG",
    "ddP",
    "jdd",
    "V>",
    "vly$p",
    "A ä<Esc>",
    "i💚<Esc>",
    "o👩‍👩‍👧\t<Esc>",
    "ciwword<Esc>",
    "O<CR>two<CR>lines<Esc>",
    ":silent! %s/e/ee/g<CR>",
    ":silent! m0<CR>",
    "A<BS><BS><Esc>",
    ":silent! sort<CR>",
];

async fn need() {
    assert!(
        Neovim::is_here().await,
        "nvim is missing: install neovim, 0.7 or newer"
    );
}

async fn play(seed: u64) {
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut scene = Scene::new().await;
    let breaks = ["\n", "\n", "\r\n"][rng.random_range(0..3)];
    let start = ["first\nsecond 💚\n\nfourth\n", "one line", "a\nb", ""][rng.random_range(0..4)];
    let path = scene.file("vim.txt", &start.replace('\n', breaks));
    let mut neovim = Neovim::open(&path, scene.state.path()).await;
    let mut ann = Client::join(&scene.server, "notes/vim.txt").await;
    ann.until_people(&["Vi"]).await;
    for round in 0..4 {
        for _ in 0..12 {
            match rng.random_range(0..10) {
                0..6 => {
                    let keys: String = (0..rng.random_range(1..4))
                        .map(|_| KEYS[rng.random_range(0..KEYS.len())])
                        .collect();
                    neovim.keys(&keys).await;
                }
                6..9 => {
                    let insert = ["💚", "Ann ", "ä\n", "\n", "👩‍👩‍👧"][rng.random_range(0..5)];
                    ann.edit(|root, txn| {
                        use yrs::GetString as _;
                        let text = root.get_string(txn);
                        let (from, to) = theirs(&mut rng, &text, false);
                        root.remove_range(txn, from, to - from);
                        root.insert(txn, from, &insert.replace('\n', breaks));
                    });
                }
                _ if rng.random_range(0..4) == 0 => {
                    scene.restart().await;
                    ann = back(&scene, ann, "notes/vim.txt").await;
                }
                _ => scene.relay.cut(),
            }
        }
        neovim.keys("<Esc>").await;
        ann.all_saved().await;
        let mut last = (String::new(), String::new(), String::new());
        let equal = async {
            loop {
                last = (
                    neovim.text().await,
                    ann.text().replace("\r\n", "\n"),
                    scene
                        .server
                        .text("notes/vim.txt")
                        .await
                        .replace("\r\n", "\n"),
                );
                // An empty text is shown as an empty line, with a line break or without.
                let is_empty = last.0 == "\n" && last.1.is_empty();
                if last.1 == last.2 && (last.0 == last.1 || is_empty) {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(std::time::Duration::from_secs(20), equal).await;
        let log = format!("{} {}", neovim.log(), neovim.messages().await);
        assert!(
            in_time.is_ok(),
            "seed {seed}, round {round}: {last:#?}; {log}"
        );
    }
    neovim.quit().await;
    let text = ann.text();
    until("the file is written", || async {
        (std::fs::read_to_string(&path).unwrap() == text).then_some(())
    })
    .await;
    assert_eq!(scene.copies(&path), Vec::<String>::new(), "seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn neovim_and_the_others_have_the_same_text() {
    need().await;
    let first = setting("ROPEWALK_EDITOR_SEED", 0);
    for seed in first..first + setting("ROPEWALK_NEOVIMS", 10) {
        play(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_in_neovim_is_seen_and_its_cursor_too() {
    need().await;
    let scene = Scene::new().await;
    let path = scene.file("one.md", "# Title\n");
    let ann = Client::join(&scene.server, "notes/one.md").await;
    let mut neovim = Neovim::open(&path, scene.state.path()).await;
    ann.until_text("# Title\n").await;
    neovim.keys("Go💚 from Neovim<Esc>").await;
    ann.until_text("# Title\n💚 from Neovim\n").await;
    ann.until("its cursor", |state, _| {
        let (_, vi) = state
            .people
            .values()
            .find(|(_, p)| p["user"]["name"] == "Vi")?;
        vi["cursor"]["head"].is_object().then_some(())
    })
    .await;
    ann.insert(8, "Ann: ");
    until("the buffer", || async {
        (neovim.text().await == "# Title\nAnn: 💚 from Neovim\n").then_some(())
    })
    .await;
    neovim.quit().await;
    until("the file", || async {
        let text = std::fs::read_to_string(&path).unwrap();
        (text == "# Title\nAnn: 💚 from Neovim\n").then_some(())
    })
    .await;
}
