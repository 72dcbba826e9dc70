//! A server with accounts, and the browsers and scripts of those who use it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::client::new_doc;
use crate::http::encode_name;
use crate::ropewalk::Ropewalk;
use crate::wait::until;
use crate::{Client, Request, Response, Socket};

/// The password of everybody.
pub const PASSWORD: &str = "seven strands of wet hemp";

static BROWSERS: AtomicU32 = AtomicU32::new(1);

/// Somebody with a browser, which keeps its cookie; or with a script, which has a token. Each is at an address of its own, as a proxy says.
#[derive(Clone, Debug)]
pub struct Browser {
    server: SocketAddr,
    /// Where it is.
    pub at: String,
    /// `name=value`, as it is sent.
    pub cookie: Option<String>,
    /// The cookie that stays when somebody signs out.
    pub known: Option<String>,
    /// For the header `Authorization`.
    pub token: Option<String>,
}

/// A server for everybody, and the browser of the administrator `ada`.
pub async fn team(arguments: &[&str]) -> (Ropewalk, Browser) {
    let listen = ["--listen", "0.0.0.0:0", "--trust-proxy", "127.0.0.1"];
    let server = Ropewalk::with(&[&listen[..], arguments].concat()).await;
    let ada = first(&server).await;
    (server, ada)
}

/// The browser of `ada`, who follows the link that a server without accounts prints.
pub async fn first(server: &Ropewalk) -> Browser {
    let link = first_link(server).await;
    let mut ada = Browser::of(server);
    ada.accept(&secret(&link.into()), "ada").await;
    ada
}

/// The link that makes the first account.
pub async fn first_link(server: &Ropewalk) -> String {
    until("the one-time link is printed", || async {
        let output = server.output();
        let line = output.split_inclusive('\n');
        let mut line = line.filter(|line| line.ends_with('\n') && line.contains("/join#"));
        let mut words = line.next()?.split_whitespace();
        words
            .find(|word| word.contains("/join#"))
            .map(str::to_owned)
    })
    .await
}

impl Browser {
    /// A browser that is signed in nowhere.
    pub fn of(server: &Ropewalk) -> Self {
        let [_, a, b, c] = BROWSERS.fetch_add(1, Relaxed).to_be_bytes();
        Self {
            server: server.address,
            at: format!("10.{a}.{b}.{c}"),
            cookie: None,
            known: None,
            token: None,
        }
    }

    /// The server was started again, and may listen elsewhere.
    pub fn find_again(&mut self, server: &Ropewalk) {
        self.server = server.address;
    }

    /// The same where the server is now.
    pub fn at(&self, server: &Ropewalk) -> Self {
        Self {
            server: server.address,
            ..self.clone()
        }
    }

    /// A script that has a token.
    pub fn script(server: &Ropewalk, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::of(server)
        }
    }

    /// Where its server listens.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// What it sends along: who it is, where it is, and where its pages are from.
    pub fn headers(&self) -> Vec<(String, String)> {
        let cookies: Vec<&str> = [&self.cookie, &self.known]
            .into_iter()
            .filter_map(|cookie| cookie.as_deref())
            .collect();
        let pairs = [
            ("x-forwarded-for", Some(self.at.clone())),
            ("origin", Some(format!("http://{}", self.server))),
            ("cookie", (!cookies.is_empty()).then(|| cookies.join("; "))),
            (
                "authorization",
                self.token.as_ref().map(|token| format!("Bearer {token}")),
            ),
        ];
        let there = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        there.collect()
    }

    /// Its headers on a request.
    pub fn dress(&self, mut request: Request) -> Request {
        for (name, value) in self.headers() {
            request = request.header(&name, &value);
        }
        request
    }

    /// Sends a request, and keeps the cookies that come back.
    pub async fn send(&mut self, request: Request) -> Response {
        let response = self.dress(request).send(self.server).await;
        for cookie in response.headers("set-cookie") {
            let cookie = cookie.split(';').next().unwrap_or_default();
            let kept = match cookie.starts_with("ropewalk-known=") {
                true => &mut self.known,
                false => &mut self.cookie,
            };
            *kept = (!cookie.ends_with('=')).then(|| cookie.to_owned());
        }
        response
    }

    /// Sends JSON, or nothing if it is null.
    pub async fn ask(&mut self, method: &str, target: &str, body: Value) -> Response {
        let mut request = Request::new(method, target);
        if !body.is_null() {
            let text = body.to_string();
            request = request
                .header("content-type", "application/json")
                .body(text);
        }
        self.send(request).await
    }

    /// The same, where it has to succeed; what is answered.
    pub async fn done(&mut self, method: &str, target: &str, body: Value) -> Value {
        let response = self.ask(method, target, body).await;
        let status = response.status;
        let text = response.text();
        assert!(
            (200..300).contains(&status),
            "{method} {target}: {status} {text}"
        );
        match text {
            "" => Value::Null,
            _ => response.json(),
        }
    }

    /// The status and the code of what has to fail.
    pub async fn fail(&mut self, method: &str, target: &str, body: Value) -> (u16, String) {
        let response = self.ask(method, target, body).await;
        assert!(
            response.status >= 400,
            "{method} {target}: {}",
            response.text()
        );
        (response.status, response.code())
    }

    /// What it is, in a word.
    pub async fn state(&mut self) -> String {
        let state = self.done("GET", "/api/session", Value::Null).await;
        state["state"].as_str().expect("a state").to_owned()
    }

    /// Signs in with the password of everybody.
    pub async fn sign_in(&mut self, login: &str) -> Response {
        let body = json!({ "login": login, "password": PASSWORD });
        self.ask("POST", "/api/session", body).await
    }

    /// Uses an invitation; the name is the login in capitals.
    pub async fn accept(&mut self, secret: &str, login: &str) {
        let name = login.to_uppercase();
        let body = json!({ "secret": secret, "login": login, "name": name, "password": PASSWORD });
        self.done("POST", "/api/join", body).await;
        assert!(self.cookie.is_some());
    }

    /// Invites somebody, who joins with a browser of their own.
    pub async fn invite(&mut self, server: &Ropewalk, login: &str) -> Self {
        let made = self.done("POST", "/api/invitations", json!({ "login": login }));
        let secret = secret(&made.await["url"]);
        let mut browser = Self::of(server);
        browser.accept(&secret, login).await;
        browser
    }

    /// Gives a person access to a document.
    pub async fn share(&mut self, name: &str, login: &str, access: &str) {
        let target = format!("/api/documents/{}/sharing", encode_name(name));
        let body = json!({ "person": login, "access": access });
        self.done("PUT", &target, body).await;
    }

    /// Makes an API token; its id and the token.
    pub async fn make_token(&mut self, access: &str, target: &str) -> (i64, String) {
        let body = json!({ "name": "script", "access": access, "for": target });
        let made = self.done("POST", "/api/tokens", body).await;
        let token = made["token"].as_str().expect("a token").to_owned();
        (made["id"].as_i64().expect("an id"), token)
    }

    /// Makes a link to a document; its id and its secret.
    pub async fn make_link(&mut self, name: &str, access: &str) -> (i64, String) {
        let target = format!("/api/documents/{}/links", encode_name(name));
        let made = self.done("POST", &target, json!({ "access": access }));
        let made = made.await;
        (made["id"].as_i64().expect("an id"), secret(&made["url"]))
    }

    /// Begins a document.
    pub async fn create(&mut self, name: &str, text: &str) {
        let target = format!("/api/documents/{}", encode_name(name));
        let made = self.send(Request::new("PUT", &target).body(text)).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }

    /// The text of a document.
    pub async fn text(&mut self, name: &str) -> String {
        let target = format!("/api/documents/{}/text", encode_name(name));
        let response = self.send(Request::get(&target)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.text().to_owned()
    }

    /// The whole state of a document.
    pub async fn bytes(&mut self, name: &str) -> Vec<u8> {
        let target = format!("/d/{}/as-update", encode_name(name));
        let response = self.send(Request::get(&target)).await;
        assert_eq!(response.status, 200);
        response.body
    }

    /// A socket.
    pub async fn socket(&self, path: &str) -> Socket {
        Socket::open_with(self.server, path, &self.headers()).await
    }

    /// A Yjs editor in a document.
    pub async fn editor(&self, name: &str) -> Client {
        let socket = self.socket(&format!("/yjs/{}", encode_name(name))).await;
        let client = Client::over(socket, name, new_doc(None));
        client.synced().await;
        client
    }
}

/// The secret in the fragment of an address.
pub fn secret(url: &Value) -> String {
    let url = url.as_str().expect("an address");
    url.split_once('#').expect("a fragment").1.to_owned()
}

/// Changes the accounts as another process would, at once seen by the server.
pub fn write_accounts(server: &Ropewalk, statement: &str) {
    let file = server.data().path().join("accounts.db");
    let connection = Connection::open(file).expect("the accounts");
    let statements = format!("{statement}; UPDATE state SET changes = changes + 1;");
    connection.execute_batch(&statements).expect("written");
}
