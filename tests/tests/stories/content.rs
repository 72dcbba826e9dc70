//! What documents hold besides plain text, over plain HTTP.

use ropewalk_tests::{Client, Request, Response, Ropewalk};
use yrs::{
    Any, Array, ArrayPrelim, In, Map, MapPrelim, Text, TextPrelim, TransactionMut, WriteTxn, Xml,
    XmlElementPrelim, XmlFragment, XmlFragmentRef, XmlTextPrelim, any,
};

pub async fn content(server: &Ropewalk, name: &str, query: &str) -> Response {
    server
        .get(&format!("/api/documents/{name}/content{query}"))
        .await
}

/// A document that one person made.
pub async fn made(
    server: &Ropewalk,
    name: &str,
    edit: impl FnOnce(&mut TransactionMut<'_>),
) -> Client {
    let ann = Client::join(server, name).await;
    ann.edit(|_, txn| edit(txn));
    ann.all_saved().await;
    ann
}

/// What is shown, which has to be there.
pub async fn shown(server: &Ropewalk, name: &str, query: &str) -> String {
    let response = content(server, name, query).await;
    assert_eq!(response.status, 200, "{query}: {}", response.text());
    response.text().to_owned()
}

/// An element with a text.
fn add(parent: &XmlFragmentRef, txn: &mut TransactionMut<'_>, name: &str, text: &str) {
    let element = parent.push_back(txn, XmlElementPrelim::empty(name));
    element.push_back(txn, XmlTextPrelim::new(text));
}

#[tokio::test(flavor = "multi_thread")]
async fn maps_and_lists_are_json() {
    let server = Ropewalk::start().await;
    let _ann = made(&server, "board", |txn| {
        let cards = txn.get_or_insert_array("cards");
        cards.insert_range(txn, 0, [1, 2]);
        let card = MapPrelim::from([("title", "a \"card\" 💚")]);
        let card = cards.insert(txn, 1, card);
        card.insert(txn, "tags", ArrayPrelim::from(["x", "y"]));
        card.insert(txn, "notes", TextPrelim::new("words"));
        let settings = txn.get_or_insert_map("settings");
        settings.insert(txn, "dark", true);
        settings.insert(txn, "gone", 1);
        settings.insert(txn, "deep", any!({ "list": [1.5, null] }));
        settings.remove(txn, "gone");
    })
    .await;
    let cards = r#"[1,{"notes":[{"insert":"words"}],"tags":["x","y"],"title":"a \"card\" 💚"},2]"#;
    assert_eq!(
        shown(&server, "board", "?root=cards&format=json").await,
        cards
    );
    assert_eq!(shown(&server, "board", "?root=cards").await, cards);
    assert_eq!(
        shown(&server, "board", "?root=settings&format=json").await,
        r#"{"dark":true,"deep":{"list":[1.5,null]}}"#
    );
    assert_eq!(
        shown(&server, "board", "?root=settings&format=html").await,
        "<pre>{&quot;dark&quot;:true,&quot;deep&quot;:{&quot;list&quot;:[1.5,null]}}</pre>"
    );
    // Nothing is in these roots.
    for (query, nothing) in [
        ("", ""),
        ("?root=x&format=html", ""),
        ("?format=json", "null"),
    ] {
        assert_eq!(shown(&server, "board", query).await, nothing, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn xml_as_tiptap_writes_it_is_html() {
    let server = Ropewalk::start().await;
    let _ann = made(&server, "page", |txn| {
        let page = txn.get_or_insert_xml_fragment("default");
        let heading = page.push_back(txn, XmlElementPrelim::empty("heading"));
        heading.insert_attribute(txn, "level", 2);
        heading.push_back(txn, XmlTextPrelim::new("A & B"));
        add(&page, txn, "paragraph", "words 💚");
        page.push_back(txn, XmlElementPrelim::empty("paragraph"));
        let list = page.push_back(txn, XmlElementPrelim::empty("bulletList"));
        for item in ["one", "two"] {
            let item_node = list.push_back(txn, XmlElementPrelim::empty("listItem"));
            add(item_node.as_ref(), txn, "paragraph", item);
        }
        page.push_back(txn, XmlElementPrelim::empty("horizontalRule"));
    })
    .await;
    assert_eq!(
        shown(&server, "page", "?root=default&format=html").await,
        "<h2 data-level=\"2\">A &amp; B</h2><p>words 💚</p><p></p>\
         <ul><li><p>one</p></li><li><p>two</p></li></ul><hr>"
    );
    assert_eq!(
        shown(&server, "page", "?root=default").await,
        "A & B\nwords 💚\n\none\ntwo\n\n"
    );
    let json = content(&server, "page", "?root=default&format=json").await;
    let json = json.json();
    assert_eq!(json.as_array().unwrap().len(), 5);
    assert_eq!(
        json[0].to_string(),
        r#"{"attributes":{"level":2},"children":[{"delta":[{"insert":"A & B"}],"type":"text"}],"name":"heading","type":"element"}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_shown_with_what_is_embedded() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "text").await;
    ann.edit(|text, txn| {
        text.insert(txn, 0, "one\ntwo <💚>");
        text.insert_embed(txn, 3, any!({ "image": "https://a.example/\"b" }));
    });
    ann.all_saved().await;
    for query in ["", "?format=text", "?root=text"] {
        assert_eq!(shown(&server, "text", query).await, "one\u{fffc}\ntwo <💚>");
    }
    assert_eq!(server.text("text").await, "one\u{fffc}\ntwo <💚>");
    assert_eq!(
        shown(&server, "text", "?format=html").await,
        "one<span data-embed=\"{&quot;image&quot;:&quot;https://a.example/\\&quot;b&quot;}\">\
         </span><br>\ntwo &lt;💚&gt;"
    );
    assert_eq!(
        shown(&server, "text", "?format=json").await,
        r#"[{"insert":"one"},{"insert":{"image":"https://a.example/\"b"}},{"insert":"\ntwo <💚>"}]"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hostile_stays_harmless() {
    let server = Ropewalk::start().await;
    let _eve = made(&server, "evil", |txn| {
        let page = txn.get_or_insert_xml_fragment("page");
        add(&page, txn, "script", "alert(1)</script><script>alert(2)//");
        add(
            &page,
            txn,
            "p><script>alert(3)</script",
            "<img src=x onerror=alert(4)>",
        );
        let link = page.push_back(txn, XmlElementPrelim::empty("a"));
        link.insert_attribute(txn, "href", "javascript:alert(5)");
        link.insert_attribute(txn, "onclick", "alert(6)");
        link.insert_attribute(txn, "x><script>alert(7)</script>", "x");
        link.insert_attribute(txn, "title", "\"><script>alert(8)</script>");
        let image = page.push_back(txn, XmlElementPrelim::empty("img"));
        image.insert_attribute(txn, "src", "data:text/html,<script>alert(9)</script>");
        let map = txn.get_or_insert_map("map");
        map.insert(txn, "</pre><script>", "</pre><script>alert(10)</script>");
    })
    .await;
    for (query, kind) in [
        ("?root=page&format=html", "text/html; charset=utf-8"),
        ("?root=map&format=html", "text/html; charset=utf-8"),
        ("?root=page", "text/plain; charset=utf-8"),
        ("?root=page&format=json", "application/json"),
    ] {
        let response = content(&server, "evil", query).await;
        assert_eq!(response.status, 200, "{query}");
        assert_eq!(response.header("content-type"), Some(kind), "{query}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        let policy = response.header("content-security-policy").unwrap();
        let words: Vec<&str> = policy.split("; ").collect();
        assert!(words.contains(&"sandbox"), "{policy}");
        assert!(words.contains(&"default-src 'none'"), "{policy}");
    }
    assert_eq!(
        shown(&server, "evil", "?root=page&format=html").await,
        "<div data-element=\"script\">alert(1)&lt;/script&gt;&lt;script&gt;alert(2)//</div>\
         <div data-element=\"p&gt;&lt;script&gt;alert(3)&lt;/script\">&lt;img src=x onerror=alert(4)&gt;</div>\
         <a data-href=\"javascript:alert(5)\" data-onclick=\"alert(6)\" \
         title=\"&quot;&gt;&lt;script&gt;alert(8)&lt;/script&gt;\"></a>\
         <img data-src=\"data:text/html,&lt;script&gt;alert(9)&lt;/script&gt;\">"
    );
    let map = shown(&server, "evil", "?root=map&format=html").await;
    assert!(!map.contains("<script"), "{map}");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_has_the_version_of_the_text() {
    let mut server = Ropewalk::start().await;
    let ann = Client::join(&server, "versions").await;
    let mut tags = Vec::new();
    for words in ["one ", "two "] {
        ann.append(words);
        ann.all_saved().await;
        let response = content(&server, "versions", "?format=html").await;
        let tag = response.header("etag").unwrap().to_owned();
        let text = server.get("/api/documents/versions/text").await;
        assert_eq!(text.header("etag"), Some(tag.as_str()));
        assert_eq!(response.header("cache-control"), Some("no-cache"));
        assert!(!tags.contains(&tag));
        tags.push(tag);
    }
    server.kill().await;
    server.start_again().await;
    let views = server.metric("ropewalk_views_total").await;
    for (tag, status, body) in [(&tags[0], 200, "one two "), (&tags[1], 304, "")] {
        let known = Request::get("/api/documents/versions/content").header("if-none-match", tag);
        let response = server.send(known).await;
        assert_eq!((response.status, response.text()), (status, body));
        assert_eq!(response.header("etag"), Some(tags[1].as_str()));
    }
    assert_eq!(server.metric("ropewalk_views_total").await, views + 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_answered_say_why() {
    let server = Ropewalk::start().await;
    let _ann = made(&server, "there", |_| {}).await;
    server
        .send(Request::new("PUT", "/api/documents/gone"))
        .await;
    server
        .send(Request::new("DELETE", "/api/documents/gone"))
        .await;
    let long = format!("?root={}", "r".repeat(257));
    let longest = "r".repeat(256);
    for (name, query, status, code) in [
        ("nowhere", "", 404, "not_found"),
        ("gone", "", 410, "deleted"),
        ("a%00b", "", 400, "bad_name"),
        ("nowhere", "?format=xml", 400, "bad_query"),
        ("nowhere", "?format=HTML", 400, "bad_query"),
        ("nowhere", "?format=", 400, "bad_query"),
        ("nowhere", "?format=text&format=text", 400, "bad_query"),
        ("nowhere", &long, 400, "bad_query"),
        ("nowhere", &format!("?root={longest}"), 404, "not_found"),
        ("nowhere", "s", 404, "not_found"),
    ] {
        let response = content(&server, name, query).await;
        let got = (response.status, response.code());
        assert_eq!(got, (status, code.to_owned()), "{name}{query}");
    }
    let _ann = made(&server, "roots", |txn| {
        txn.get_or_insert_text(longest.as_str()).insert(txn, 0, "x");
        txn.get_or_insert_text("ü\0\n").insert(txn, 0, "y");
    })
    .await;
    assert_eq!(
        shown(&server, "roots", &format!("?root={longest}")).await,
        "x"
    );
    assert_eq!(shown(&server, "roots", "?root=%C3%BC%00%0A").await, "y");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_accepted_is_not_too_deep() {
    let server = Ropewalk::start().await;
    let deep = Client::join(&server, "deep").await;
    deep.edit(|_, txn| {
        let mut list = txn.get_or_insert_array("list");
        for _ in 0..64 {
            list = list.insert(txn, 0, ArrayPrelim::default());
        }
        let value = (0..63).fold(Any::Null, |any, _| Any::Array([any].into()));
        list.insert(txn, 0, In::Any(value));
    });
    deep.all_saved().await;
    let (open, close) = ("[".repeat(128), "]".repeat(128));
    for format in ["text", "json", "html"] {
        let query = format!("?root=list&format={format}");
        let shown = shown(&server, "deep", &query).await;
        assert!(
            shown.contains(&format!("{open}null{close}")),
            "{format}: {shown}"
        );
    }
}

/// A list is read as such with any value in it.
#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_kind_are_shown() {
    let server = Ropewalk::start().await;
    let _ann = made(&server, "values", |txn| {
        let list = txn.get_or_insert_array("list");
        let bytes = Any::Buffer([0, 255].into());
        let values = [
            any!("💚"),
            any!(-7),
            any!(null),
            any!(false),
            bytes,
            any!(1e300),
        ];
        for value in values {
            list.push_back(txn, value);
        }
    })
    .await;
    assert_eq!(
        shown(&server, "values", "?root=list&format=json").await,
        r#"["💚",-7,null,false,[0,255],1e+300]"#
    );
}
