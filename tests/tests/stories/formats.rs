//! Formats and subdocuments, as the view shows them.

use ropewalk_tests::{Client, Ropewalk, Socket, frames};
use yrs::types::Attrs;
use yrs::{
    Any, Array, Doc, Map, Text, WriteTxn, Xml, XmlElementPrelim, XmlFragment, XmlTextPrelim, any,
};

use crate::content::{content, made, shown};
use crate::forged::one_struct;

fn formats<const N: usize>(formats: [(&str, Any); N]) -> Attrs {
    formats
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect()
}

/// Quill writes `true` and addresses.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_quill_is_shown_with_its_formats() {
    let server = Ropewalk::start().await;
    let ann = Client::join(&server, "quill").await;
    ann.edit(|text, txn| {
        text.insert(txn, 0, "plain bold <both> link\nlast 💚");
        text.format(txn, 6, 11, formats([("bold", any!(true))]));
        text.format(txn, 11, 6, formats([("italic", any!(true))]));
        let link = formats([("link", any!("https://a.example/?a&b"))]);
        text.format(txn, 18, 4, link);
        text.format(txn, 23, 4, formats([("color", any!("red"))]));
    });
    ann.all_saved().await;
    assert_eq!(
        shown(&server, "quill", "?format=html").await,
        "plain <strong>bold </strong><strong><em>&lt;both&gt;</em></strong> \
         <a href=\"https://a.example/?a&amp;b\">link</a><br>\nlast 💚"
    );
    assert_eq!(
        shown(&server, "quill", "?format=json").await,
        concat!(
            r#"[{"insert":"plain "},{"insert":"bold ","attributes":{"bold":true}},"#,
            r#"{"insert":"<both>","attributes":{"bold":true,"italic":true}},{"insert":" "},"#,
            r#"{"insert":"link","attributes":{"link":"https://a.example/?a&b"}},{"insert":"\n"},"#,
            r#"{"insert":"last","attributes":{"color":"red"}},{"insert":" 💚"}]"#
        )
    );
    assert_eq!(
        shown(&server, "quill", "").await,
        "plain bold <both> link\nlast 💚"
    );
    // What is taken back is not shown.
    ann.edit(|text, txn| text.format(txn, 0, 30, formats([("bold", Any::Null)])));
    ann.edit(|text, txn| text.format(txn, 0, 30, formats([("link", Any::Null)])));
    ann.all_saved().await;
    assert_eq!(
        shown(&server, "quill", "?format=html").await,
        "plain bold <em>&lt;both&gt;</em> link<br>\nlast 💚"
    );
}

/// Tiptap writes marks as objects.
#[tokio::test(flavor = "multi_thread")]
async fn marks_of_tiptap_are_shown() {
    let server = Ropewalk::start().await;
    let _ann = made(&server, "tiptap", |txn| {
        let page = txn.get_or_insert_xml_fragment("default");
        let paragraph = page.push_back(txn, XmlElementPrelim::empty("paragraph"));
        let text = paragraph.push_back(txn, XmlTextPrelim::new("all link code"));
        for mark in ["bold", "italic", "underline", "strike"] {
            text.format(txn, 0, 3, formats([(mark, any!({}))]));
        }
        let link = any!({ "href": "mailto:a@a.example", "target": "_blank" });
        text.format(txn, 4, 4, formats([("link", link)]));
        text.format(txn, 9, 4, formats([("code", any!({}))]));
    })
    .await;
    assert_eq!(
        shown(&server, "tiptap", "?root=default&format=html").await,
        "<p><strong><em><u><s>all</s></u></em></strong> <a href=\"mailto:a@a.example\">link</a> \
         <code>code</code></p>"
    );
    assert_eq!(
        shown(&server, "tiptap", "?root=default").await,
        "all link code\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_have_no_power() {
    let server = Ropewalk::start().await;
    let eve = Client::join(&server, "evil").await;
    eve.edit(|text, txn| {
        text.insert(txn, 0, "abcd");
        text.format(txn, 0, 1, formats([("link", any!("javascript:alert(1)"))]));
        let link = any!({ "href": "JAVASCRIPT:alert(2)" });
        text.format(txn, 1, 1, formats([("link", link)]));
        text.format(txn, 2, 1, formats([("script", any!(true))]));
        let link = any!("https://a.example/\"><script>alert(3)</script>");
        text.format(txn, 3, 1, formats([("link", link)]));
    });
    eve.all_saved().await;
    assert_eq!(
        shown(&server, "evil", "?format=html").await,
        "abc<a href=\"https://a.example/&quot;&gt;&lt;script&gt;alert(3)&lt;/script&gt;\">d</a>"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn subdocuments_are_named() {
    let server = Ropewalk::start().await;
    let (first, second) = (Doc::new(), Doc::new());
    let guids = [first.guid().to_string(), second.guid().to_string()];
    let _ann = made(&server, "parent", move |txn| {
        txn.get_or_insert_array("list").insert(txn, 0, first);
        txn.get_or_insert_map("map").insert(txn, "child", second);
    })
    .await;
    let node = |guid: &str| format!(r#"{{"type":"document","guid":"{guid}"}}"#);
    assert_eq!(
        shown(&server, "parent", "?root=list&format=json").await,
        format!("[{}]", node(&guids[0]))
    );
    assert_eq!(
        shown(&server, "parent", "?root=map&format=json").await,
        format!(r#"{{"child":{}}}"#, node(&guids[1]))
    );
}

/// They are kept, but yrs cannot read a document that has one.
#[tokio::test(flavor = "multi_thread")]
async fn xml_hooks_are_not_shown() {
    let server = Ropewalk::start().await;
    let eve = made(&server, "hooked", |txn| {
        let page = txn.get_or_insert_xml_fragment("page");
        page.push_back(txn, XmlElementPrelim::empty("p"))
            .insert_attribute(txn, "lang", "en");
    })
    .await;
    assert_eq!(
        shown(&server, "hooked", "?root=page&format=html").await,
        "<p lang=\"en\"></p>"
    );
    let hook = one_struct(800, 0, b"\x07\x01\x05hooks\x05\x04name");
    // Nor can our own clients, which are yrs.
    eve.leave().await;
    let mut socket = Socket::open(&server, "hooked").await;
    socket.send(frames::update(&hook)).await;
    socket.send(frames::saved(b"end")).await;
    while socket.next().await.unwrap() != frames::saved(b"end") {}
    let failed = content(&server, "hooked", "?root=page&format=html").await;
    let got = (failed.status, failed.code());
    assert_eq!(got, (500, "view_failed".to_owned()));
    assert_eq!(
        server.get("/api/documents/hooked/text").await.status,
        200,
        "the document itself is whole"
    );
}
