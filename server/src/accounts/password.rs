//! Passwords: which are good enough, and how they are kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

use argon2::password_hash::{Error, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use zxcvbn::Score;

use super::secret::random;
use super::{AccountsError, Refusal};

/// Fewest characters of a person's password.
pub const MIN_CHARS: usize = 10;
/// Fewest characters of a link's that is new: it keeps out who only found the link, who may go on guessing for days.
pub const MIN_LINK_CHARS: usize = 8;
/// Most bytes of a password.
pub const MAX_BYTES: usize = 1024;
/// Memory that a guess costs, in KiB.
const MEMORY_KIB: u32 = 19 << 10;
/// How often it is gone through.
const PASSES: u32 = 2;
/// Threads that work on passwords.
const THREADS: usize = 2;
/// What a hash with these parameters begins with.
const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

fn argon2() -> Result<Argon2<'static>, AccountsError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None);
    let params = params.map_err(|error| AccountsError::Failed(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Whether somebody with this login and name may have this password. The error says why not.
pub fn check(password: &str, login: &str, name: &str) -> Result<(), Refusal> {
    bounded(password, MIN_CHARS)?;
    // The parts, too: `ada@example.org` is guessed by `ada` and `example`.
    let known: Vec<&str> = [login, name]
        .into_iter()
        .chain(login.split(|c: char| !c.is_alphanumeric()))
        .chain(name.split_whitespace())
        .chain(["ropewalk"])
        .filter(|word| word.chars().count() > 2)
        .collect();
    let guessed = zxcvbn::zxcvbn(password, &known);
    if guessed.score() >= Score::Three {
        return Ok(());
    }
    let warning = guessed.feedback().and_then(|feedback| feedback.warning());
    let why = warning.map_or_else(
        || "add a word or two that are not common".to_owned(),
        |warning| {
            let text = warning.to_string();
            let text = text.trim_end_matches('.');
            let mut letters = text.chars();
            let first = letters.next().map(|first| first.to_ascii_lowercase());
            first.into_iter().chain(letters).collect()
        },
    );
    Err(Refusal::GuessablePassword(why))
}

/// Whether a password has a length that is worked on.
pub fn bounded(password: &str, min_chars: usize) -> Result<(), Refusal> {
    if password.len() > MAX_BYTES {
        Err(Refusal::LongPassword(MAX_BYTES))
    } else if password.chars().count() < min_chars {
        Err(Refusal::ShortPassword(min_chars))
    } else {
        Ok(())
    }
}

/// What is kept of a password. Takes long, and 19 MiB.
pub fn hash(password: &str) -> Result<String, AccountsError> {
    let salt: [u8; 16] = random()?;
    let password = password.to_owned();
    apart(move || {
        let hash = argon2()?.hash_password_with_salt(password.as_bytes(), &salt);
        hash.map(|hash| hash.to_string()).map_err(failed)
    })?
}

type Job = Box<dyn FnOnce() + Send>;

/// Does work that takes much memory on one of few threads: what each has freed it keeps for its next, and of all the threads that wait for
/// a disk every one would come to keep as much.
fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AccountsError> {
    static JOBS: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..THREADS {
            let waiting = waiting.clone();
            thread::spawn(move || {
                loop {
                    let next = waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    let Ok(job) = next else {
                        return;
                    };
                    // Whoever waits hears that there is no answer.
                    let _ = catch_unwind(AssertUnwindSafe(job));
                }
            });
        }
        jobs
    });
    let (answer, answered) = mpsc::channel();
    let gone = |_| AccountsError::Failed("a password could not be worked on".to_owned());
    let job = move || drop(answer.send(work()));
    jobs.send(Box::new(job))
        .map_err(|_| gone(mpsc::RecvError))?;
    answered.recv().map_err(gone)
}

/// Whether it is the password that this was kept of. Without any, the same work is done.
pub fn verify(password: &str, kept: Option<&str>) -> Result<bool, AccountsError> {
    if password.len() > MAX_BYTES {
        return Ok(false);
    }
    // Made also when it is not needed: the first to ask learns nothing by that.
    let nobodys = dummy()?;
    let (password, is_somebodys) = (password.to_owned(), kept.is_some());
    let known = kept.map_or(nobodys, str::to_owned);
    apart(
        move || match argon2()?.verify_password(password.as_bytes(), known.as_str()) {
            Ok(()) => Ok(is_somebodys),
            Err(Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(failed(error)),
        },
    )?
}

/// A hash of nobody's password, which is made once.
fn dummy() -> Result<String, AccountsError> {
    static HASH: OnceLock<String> = OnceLock::new();
    if HASH.get().is_none() {
        let bytes: [u8; 16] = random()?;
        let _ = HASH.set(hash(&data_encoding::HEXLOWER.encode(&bytes))?);
    }
    Ok(HASH.get().cloned().unwrap_or_default())
}

/// Whether a hash was made with other parameters than those of now.
pub fn is_old(kept: &str) -> bool {
    !kept.starts_with(CURRENT)
}

fn failed(error: Error) -> AccountsError {
    AccountsError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_password_has_a_length_and_is_not_guessed() {
        let long = "correct horse ".repeat(80);
        for (password, why) in [
            ("", Err(Refusal::ShortPassword(10))),
            ("äöüäöüäöü", Err(Refusal::ShortPassword(10))),
            (&long[..1025], Err(Refusal::LongPassword(1024))),
            ("violet-anchor-tin-42", Ok(())),
            (&long[..1024], Ok(())),
        ] {
            assert_eq!(check(password, "ada", "Ada"), why, "{password}");
        }
        for password in [
            "password123",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "1234567890",
            "adalovelace",
            "ada@example.org",
            "iloveyou12",
            "ropewalk123",
            "abcabcabcabc",
        ] {
            let refused = check(password, "ada@example.org", "Ada Lovelace").unwrap_err();
            let said = refused.to_string();
            assert!(
                said.starts_with("this password is too easy to guess: "),
                "{said}"
            );
            assert!(!said.contains(password) && said.len() > 45, "{said}");
        }
    }

    #[test]
    fn a_hash_is_of_one_password_with_a_salt_of_its_own() {
        let kept = hash("violet-anchor-tin-42").unwrap();
        assert!(kept.starts_with(CURRENT) && !is_old(&kept), "{kept}");
        assert_ne!(kept, hash("violet-anchor-tin-42").unwrap());
        assert!(verify("violet-anchor-tin-42", Some(&kept)).unwrap());
        assert!(!verify("violet-anchor-tin-43", Some(&kept)).unwrap());
        assert!(!verify(&"x".repeat(1025), Some(&kept)).unwrap());
        assert!(!verify("violet-anchor-tin-42", None).unwrap());
        assert!(verify("x", Some("$argon2id$")).is_err());
        assert!(is_old(&kept.replace("t=2", "t=1")));
    }
}
