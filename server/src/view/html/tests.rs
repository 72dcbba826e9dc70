use serde_json::json as value;

use super::*;

fn element_html(name: &str, attributes: &[(&str, Value)], children: Vec<Content>) -> String {
    html(&Content::element(name, attributes, children))
}

fn text_html(pieces: &[Piece]) -> String {
    html(&Content::Text(pieces.to_vec()))
}

#[test]
fn documents_of_tiptap_are_html() {
    let words = |text| vec![Content::words(text)];
    let document = Content::Fragment(vec![
        Content::element("heading", &[("level", value!(2))], words("Title")),
        Content::element(
            "paragraph",
            &[("textAlign", value!(null))],
            vec![
                Content::words("one"),
                Content::element("hardBreak", &[], vec![]),
                Content::words("two"),
            ],
        ),
        Content::element(
            "orderedList",
            &[("start", value!(3))],
            vec![Content::element("listItem", &[], words("item"))],
        ),
        Content::element(
            "image",
            &[("src", value!("https://a.example/b?c&d"))],
            vec![],
        ),
        Content::element("callout", &[("kind", value!("note"))], words("!")),
    ]);
    assert_eq!(
        html(&document),
        "<h2 data-level=\"2\">Title</h2><p>one<br>two</p><ol start=\"3\"><li>item</li></ol>\
         <img src=\"https://a.example/b?c&amp;d\"><div data-element=\"callout\" data-kind=\"note\">!</div>"
    );
}

#[test]
fn every_name_of_ours_is_written_or_renamed() {
    for tag in HARMLESS.iter().chain(RENAMED.iter().map(|(_, tag)| tag)) {
        assert!(HARMLESS.contains(tag), "{tag}");
        let shown = element_html(tag, &[], vec![]);
        assert!(shown.starts_with(&format!("<{tag}>")), "{shown}");
    }
    for level in [value!(0), value!(7), value!(-1), value!("2"), value!(1.5)] {
        let shown = element_html("heading", &[("level", level)], vec![]);
        assert!(
            shown.starts_with("<h1 ") || shown.starts_with("<div data-element=\"heading\" "),
            "{shown}"
        );
    }
}

#[test]
fn elements_with_power_are_not_written() {
    for name in [
        "script",
        "SCRIPT",
        "style",
        "iframe",
        "object",
        "embed",
        "link",
        "meta",
        "base",
        "svg",
        "math",
        "form",
        "input",
        "textarea",
        "template",
        "noscript",
        "plaintext",
        "xmp",
        "title",
        "html",
        "body",
        "P",
        "b onclick",
        "",
        "p><script",
        "p/onload=x",
        "!--",
        "?xml",
        "ü",
        "a\0",
    ] {
        let shown = element_html(name, &[], vec![Content::words("</div>")]);
        let mut escaped = String::new();
        escape(name, &mut escaped);
        assert_eq!(
            shown,
            format!("<div data-element=\"{escaped}\">&lt;/div&gt;</div>")
        );
    }
}

#[test]
fn attributes_have_no_power() {
    for (name, shown) in [
        ("title", " title=\"x\""),
        ("onclick", " data-onclick=\"x\""),
        ("style", " data-style=\"x\""),
        ("class", " data-class=\"x\""),
        ("href", " data-href=\"x\""),
        ("srcdoc", " data-srcdoc=\"x\""),
        ("x y", ""),
        ("x=\"", ""),
        ("x/", ""),
        ("><script>", ""),
        ("", ""),
        ("ü", ""),
        ("xlink:href", ""),
    ] {
        let html = element_html("p", &[(name, value!("x"))], vec![]);
        assert_eq!(html, format!("<p{shown}></p>"), "{name}");
    }
    let long = "x".repeat(NAME + 1);
    assert_eq!(
        element_html("p", &[(&long, value!("x"))], vec![]),
        "<p></p>"
    );
    assert_eq!(
        element_html("p", &[("title", value!("\"><script>'&"))], vec![]),
        "<p title=\"&quot;&gt;&lt;script&gt;&#39;&amp;\"></p>"
    );
    assert_eq!(
        element_html(
            "p",
            &[
                ("a", value!({ "b": "\"" })),
                ("c", value!(null)),
                ("d", value!(1))
            ],
            vec![]
        ),
        "<p data-a=\"{&quot;b&quot;:&quot;\\&quot;&quot;}\" data-d=\"1\"></p>"
    );
}

#[test]
fn addresses_run_nothing() {
    for address in [
        "http://a.example",
        "HTTPS://a.example/",
        "mailto:a@a.example",
    ] {
        let shown = element_html("a", &[("href", value!(address))], vec![]);
        assert_eq!(shown, format!("<a href=\"{address}\"></a>"));
        for link in [
            value!(address),
            value!({ "href": address, "target": "_blank" }),
        ] {
            let shown = text_html(&[Piece::text("x", &[("link", link)])]);
            assert_eq!(shown, format!("<a href=\"{address}\">x</a>"));
        }
    }
    for address in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>",
        "vbscript:x",
        "//a.example",
        "/path",
        " https://a.example",
        "https:a.example",
        "",
    ] {
        for (name, attribute) in [("a", "href"), ("img", "src"), ("image", "src")] {
            let shown = element_html(name, &[(attribute, value!(address))], vec![]);
            assert!(!shown.contains(&format!(" {attribute}=")), "{shown}");
        }
        for link in [
            value!(address),
            value!({ "href": address }),
            value!(true),
            value!({}),
        ] {
            assert_eq!(text_html(&[Piece::text("x", &[("link", link)])]), "x");
        }
    }
}

#[test]
fn formats_are_elements_and_unknown_ones_are_left_out() {
    let all = [
        ("bold", value!(true)),
        ("italic", value!({})),
        ("underline", value!(true)),
        ("strike", value!(true)),
        ("code", value!(true)),
        ("color", value!("red")),
        ("<script>", value!(true)),
    ];
    assert_eq!(
        text_html(&[Piece::text("<i>\n&", &all)]),
        "<strong><em><u><s><code>&lt;i&gt;<br>\n&amp;</code></s></u></em></strong>"
    );
    let off = [("bold", value!(false)), ("italic", value!(null))];
    assert_eq!(text_html(&[Piece::text("x", &off)]), "x");
    let image = Piece {
        insert: Insert::Object(Content::Value(value!({ "image": "\"><script>" }))),
        attributes: Default::default(),
    };
    assert_eq!(
        text_html(&[image]),
        "<span data-embed=\"{&quot;image&quot;:&quot;\\&quot;&gt;&lt;script&gt;&quot;}\"></span>"
    );
}

#[test]
fn anything_else_is_json() {
    let list = Content::List(vec![Content::Value(value!("</pre><script>"))]);
    assert_eq!(
        html(&list),
        "<pre>[&quot;&lt;/pre&gt;&lt;script&gt;&quot;]</pre>"
    );
    assert_eq!(html(&Content::Nothing), "");
}
