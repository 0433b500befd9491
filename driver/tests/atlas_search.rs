//! The documents that the builders of Atlas Search make.

use driver::atlas_search::{
    MatchCriteria, Relation, TokenOrder, autocomplete, compound, embedded_document, equals, exists,
    facet, geo_shape, geo_within, more_like_this, near, phrase, query_string, range, regex, search,
    search_in, search_meta, text, wildcard,
};
use driver::bson::oid::ObjectId;
use driver::bson::{Bson, DateTime, Document, doc};

fn check<const N: usize>(cases: [(Document, Document); N]) {
    for (built, expected) in cases {
        assert_eq!(built, doc! { "$search": expected });
    }
}

#[test]
fn operators_on_text_become_stages() {
    let score = || doc! { "boost": { "value": 2 } };
    check([
        (
            autocomplete("title", "pre").token_order(TokenOrder::Sequential).into_stage(),
            doc! { "autocomplete": {
                "path": "title", "query": "pre", "tokenOrder": "sequential",
            } },
        ),
        (
            text(["plot", "title"], vec!["a", "b"])
                .fuzzy(doc! { "maxEdits": 1 })
                .match_criteria(MatchCriteria::All)
                .synonyms("mine")
                .score(score())
                .into_stage(),
            doc! { "text": {
                "path": ["plot", "title"], "query": ["a", "b"], "fuzzy": { "maxEdits": 1 },
                "matchCriteria": "all", "synonyms": "mine", "score": score(),
            } },
        ),
        (
            phrase("title", "new york").slop(2).into_stage(),
            doc! { "phrase": { "path": "title", "query": "new york", "slop": 2 } },
        ),
        (
            query_string("title", "a AND (b OR c)").into_stage(),
            doc! { "queryString": { "defaultPath": "title", "query": "a AND (b OR c)" } },
        ),
        (
            regex("title", "[0-9]{2} (.){4}s").allow_analyzed_field(true).into_stage(),
            doc! { "regex": {
                "path": "title", "query": "[0-9]{2} (.){4}s", "allowAnalyzedField": true,
            } },
        ),
        (
            wildcard("title", String::from("Green D*")).score(score()).into_stage(),
            doc! { "wildcard": { "path": "title", "query": "Green D*", "score": score() } },
        ),
        (
            more_like_this([doc! { "title": "a" }, doc! { "title": "b" }]).into_stage(),
            doc! { "moreLikeThis": { "like": [{ "title": "a" }, { "title": "b" }] } },
        ),
    ]);
}

#[test]
fn operators_on_values_become_stages() {
    let (id, day) = (ObjectId::new(), DateTime::from_millis(0));
    let point = || doc! { "type": "Point", "coordinates": [1.0, 2.0] };
    check([
        (
            equals("verified", true).into_stage(),
            doc! { "equals": { "path": "verified", "value": true } },
        ),
        (exists("a.b").into_stage(), doc! { "exists": { "path": "a.b" } }),
        (
            search_in("_id", vec![Bson::from(id)]).into_stage(),
            doc! { "in": { "path": "_id", "value": [id] } },
        ),
        (
            range("released").gt(day).lte("z").into_stage(),
            doc! { "range": { "path": "released", "gt": day, "lte": "z" } },
        ),
        (
            range("n").gte(1).lt(2.5).into_stage(),
            doc! { "range": { "path": "n", "gte": 1, "lt": 2.5 } },
        ),
        (
            near("place", point(), 1000).into_stage(),
            doc! { "near": { "path": "place", "origin": point(), "pivot": 1000 } },
        ),
        (
            geo_shape("place", Relation::Other("near".into()), point()).into_stage(),
            doc! { "geoShape": { "path": "place", "relation": "near", "geometry": point() } },
        ),
        (
            geo_within("place").geo_box(doc! { "bottomLeft": point() }).into_stage(),
            doc! { "geoWithin": { "path": "place", "box": { "bottomLeft": point() } } },
        ),
    ]);
}

#[test]
fn operators_are_combined() {
    let inner = compound().should(text("description", "Fuji"));
    let built = compound()
        .must([text("description", "varieties").unit(), inner.unit()])
        .must_not(doc_operator())
        .filter(equals("sold", false))
        .minimum_should_match(1);
    let expected = doc! { "compound": {
        "must": [
            { "text": { "path": "description", "query": "varieties" } },
            { "compound": { "should": [{ "text": { "path": "description", "query": "Fuji" } }] } },
        ],
        "mustNot": [{ "text": { "path": "a", "query": "b" } }],
        "filter": [{ "equals": { "path": "sold", "value": false } }],
        "minimumShouldMatch": 1,
    } };
    assert_eq!(built.into_stage(), doc! { "$search": expected });
    let built = embedded_document("items", text("items.name", "a")).into_stage();
    let expected = doc! { "path": "items", "operator": { "text": {
        "path": "items.name", "query": "a",
    } } };
    assert_eq!(built, doc! { "$search": { "embeddedDocument": expected } });
}

/// An operator given as a document.
fn doc_operator() -> [Document; 1] {
    [doc! { "text": { "path": "a", "query": "b" } }]
}

#[test]
fn stages_have_their_own_options() {
    let stage = search(exists("a"))
        .concurrent(true)
        .count(doc! { "type": "total" })
        .highlight(doc! { "path": "a" })
        .index("mine")
        .return_stored_source(true)
        .search_after("token")
        .search_before("later")
        .score_details(true)
        .sort(doc! { "a": 1 });
    let expected = doc! {
        "exists": { "path": "a" }, "concurrent": true, "count": { "type": "total" },
        "highlight": { "path": "a" }, "index": "mine", "returnStoredSource": true,
        "searchAfter": "token", "searchBefore": "later", "scoreDetails": true, "sort": { "a": 1 },
    };
    assert_eq!(stage.into_stage(), doc! { "$search": expected });
}

#[test]
fn facets_become_a_stage_of_counts() {
    let (first, last) = (DateTime::from_millis(0), DateTime::from_millis(1));
    let built = facet(doc! {
        "directors": facet::string("directors").num_buckets(7),
        "years": facet::number("year", [2000, 2010]).default_bucket("other"),
        "days": facet::date("day", [first, last]).default_bucket("later"),
    });
    let stage = search_meta(built.operator(range("year").gte(1990))).index("mine");
    let facets = doc! {
        "directors": { "type": "string", "path": "directors", "numBuckets": 7 },
        "years": { "type": "number", "path": "year", "boundaries": [2000, 2010],
            "default": "other" },
        "days": { "type": "date", "path": "day", "boundaries": [first, last], "default": "later" },
    };
    let operator = doc! { "range": { "path": "year", "gte": 1990 } };
    let expected = doc! { "facet": { "facets": facets, "operator": operator }, "index": "mine" };
    assert_eq!(stage.into_stage(), doc! { "$searchMeta": expected });
    let stage = exists("a").into_stage_meta();
    assert_eq!(stage, doc! { "$searchMeta": { "exists": { "path": "a" } } });
}
