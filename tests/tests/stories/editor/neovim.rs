//! Neovim itself, with keys as people type them. `ROPEWALK_NEOVIMS` says how many seeds, `ROPEWALK_EDITOR_SEED` the first,
//! and `ROPEWALK_TEAMTYPE` where Teamtype's own plugin is.
//!
//! Rounds of any commands take turns with rounds of insertions alone. In those each has a mark, a character that is nowhere else:
//! when all is quiet it is there once.

use ropewalk_tests::DEADLINE;
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

/// Commands that put in a mark, `#`, and take nothing away.
const INSERTIONS: [&str; 12] = [
    "A#ä<Esc>",
    "I💚#<Esc>",
    "i#<Esc>",
    "a👩‍👩‍👧#\t<Esc>",
    "o#<Esc>",
    "O#<CR>two<Esc>",
    "ggI#é<Esc>",
    "GA\t#<Esc>",
    "j0i#💚<CR><Esc>",
    "kea#<Esc>",
    "ggO#<Esc>",
    "Go💚#<CR><CR><Esc>",
];
/// What the other one puts in.
const WORDS: [&str; 5] = ["💚", "Ann ", "ä\n", "\n", "👩‍👩‍👧"];
/// What a file has in the beginning.
const STARTS: [&str; 4] = ["first\nsecond 💚\n\nfourth\n", "one line", "a\nb", ""];

async fn need() {
    assert!(
        Neovim::is_here().await,
        "nvim is missing: install neovim, 0.7 or newer"
    );
}

/// Where carriage returns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaks {
    /// In each line break.
    Everywhere,
    /// In those that the other one types.
    Theirs,
    /// In every other one: Neovim shows them then.
    Mixed,
}

impl Breaks {
    /// What is on disk.
    fn disk(self, text: &str) -> String {
        let mut breaks = 0;
        let with = |line: &str| {
            breaks += usize::from(line.ends_with('\n'));
            let has = match self {
                Self::Everywhere => true,
                Self::Theirs => false,
                Self::Mixed => breaks % 2 == 1,
            };
            match has {
                true => line.replace('\n', "\r\n"),
                false => line.to_owned(),
            }
        };
        text.split_inclusive('\n').map(with).collect()
    }

    /// What the other one types.
    fn typed(self, rng: &mut StdRng, word: &str) -> String {
        match self == Self::Mixed && rng.random_range(0..2) == 0 {
            true => word.to_owned(),
            false => word.replace('\n', "\r\n"),
        }
    }
}

/// One game of a seed.
struct Game {
    seed: u64,
    rng: StdRng,
    breaks: Breaks,
    /// Neovim shows lines, and not how they end.
    hides: bool,
    scene: Scene,
    path: PathBuf,
    neovim: Neovim,
    /// None while the server starts again.
    ann: Option<Client>,
    marks: u32,
}

const NAME: &str = "notes/vim.txt";

impl Game {
    async fn begin(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let breaks = [Breaks::Everywhere, Breaks::Theirs, Breaks::Mixed][(seed % 3) as usize];
        println!("seed {seed}, carriage returns: {breaks:?}");
        let scene = Scene::new().await;
        let disk = breaks.disk(STARTS[rng.random_range(0..STARTS.len())]);
        let hidden = disk.matches("\r\n").count();
        let path = scene.file("vim.txt", &disk);
        let neovim = Neovim::open(&path, scene.state.path()).await;
        let ann = Client::join(&scene.server, NAME).await;
        ann.until_people(&["Vi"]).await;
        Self {
            seed,
            rng,
            breaks,
            hides: hidden == 0 || hidden == disk.matches('\n').count(),
            scene,
            path,
            neovim,
            ann: Some(ann),
            marks: 0,
        }
    }

    fn ann(&self) -> &Client {
        self.ann.as_ref().unwrap()
    }

    /// One character, so that nothing comes into the middle of it.
    fn mark(&mut self) -> char {
        self.marks += 1;
        char::from_u32(0xe000 + self.marks).unwrap()
    }

    async fn restart(&mut self) {
        self.scene.restart().await;
        let ann = self.ann.take().unwrap();
        self.ann = Some(back(&self.scene, ann, NAME).await);
    }

    /// Whatever is typed.
    async fn any(&mut self) {
        for _ in 0..12 {
            match self.rng.random_range(0..10) {
                0..6 => {
                    let keys: String = (0..self.rng.random_range(1..4))
                        .map(|_| KEYS[self.rng.random_range(0..KEYS.len())])
                        .collect();
                    self.neovim.keys(&keys).await;
                }
                6..9 => {
                    let word = WORDS[self.rng.random_range(0..WORDS.len())];
                    let insert = self.breaks.typed(&mut self.rng, word);
                    self.type_theirs(&insert, false);
                }
                _ if self.rng.random_range(0..4) == 0 => self.restart().await,
                _ => self.scene.relay.cut(),
            }
        }
    }

    /// Insertions alone; their marks.
    async fn insertions(&mut self) -> Vec<char> {
        let (cut, restart) = (self.rng.random_range(0..14), self.rng.random_range(0..14));
        let mut marks = Vec::new();
        for step in 0..14 {
            let mark = self.mark();
            marks.push(mark);
            match self.rng.random_range(0..2) {
                0 => {
                    let keys = INSERTIONS[self.rng.random_range(0..INSERTIONS.len())];
                    self.neovim
                        .keys(&keys.replace('#', &mark.to_string()))
                        .await;
                }
                _ => {
                    let word = WORDS[self.rng.random_range(0..WORDS.len())];
                    let insert = self.breaks.typed(&mut self.rng, &format!("{mark}{word}"));
                    self.type_theirs(&insert, true);
                }
            }
            if step == cut {
                self.scene.relay.cut();
            }
            if step == restart {
                self.restart().await;
            }
        }
        marks
    }

    fn type_theirs(&mut self, insert: &str, only_inserts: bool) {
        let ann = self.ann.as_ref().unwrap();
        ann.edit(|root, txn| {
            use yrs::GetString as _;
            let text = root.get_string(txn);
            let (from, to) = theirs(&mut self.rng, &text, only_inserts);
            root.remove_range(txn, from, to - from);
            root.insert(txn, from, insert);
        });
    }

    /// A text as Neovim shows it.
    fn shown(&self, text: &str) -> String {
        match self.hides {
            true => text.replace("\r\n", "\n"),
            false => text.to_owned(),
        }
    }

    /// Everybody has the same, when nobody types.
    async fn quiet(&self, round: usize) {
        self.neovim.settle().await;
        self.ann().all_saved().await;
        let mut last = (String::new(), String::new(), String::new());
        let equal = async {
            loop {
                let server = self.scene.server.text(NAME).await;
                last = (self.neovim.text().await, self.ann().text(), server);
                let shown = self.shown(&last.2);
                // An empty text is shown as an empty line, with a line break or without.
                let is_empty = last.0 == "\n" && shown.is_empty();
                if last.1 == last.2 && (last.0 == shown || is_empty) {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(DEADLINE, equal).await;
        let log = format!("{} {}", self.neovim.log(), self.neovim.messages().await);
        let seed = self.seed;
        assert!(
            in_time.is_ok(),
            "seed {seed}, round {round}: {last:#?}; {log}"
        );
    }

    async fn end(mut self) {
        let seed = self.seed;
        assert_eq!(self.neovim.errors().await, "", "seed {seed}");
        self.neovim.quit().await;
        let text = self.ann().text();
        until("the file is written", || async {
            (std::fs::read_to_string(&self.path).unwrap() == text).then_some(())
        })
        .await;
        let copies = self.scene.copies(&self.path);
        assert_eq!(copies, Vec::<String>::new(), "seed {seed}");
    }
}

async fn play(seed: u64) {
    let mut game = Game::begin(seed).await;
    for round in 0..4 {
        let marks = match round % 2 {
            0 => {
                game.any().await;
                Vec::new()
            }
            _ => game.insertions().await,
        };
        game.quiet(round).await;
        let text = game.ann().text();
        for (mark, number) in marks.into_iter().zip(1..) {
            let count = text.matches(mark).count();
            assert_eq!(
                count, 1,
                "seed {seed}, round {round}: insertion {number} is there {count} times: {text:?}"
            );
        }
    }
    game.end().await;
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
