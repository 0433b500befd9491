//! Crawls a small site with three workers, and serves that site itself.

const USAGE: &str = "\
usage: spider

Crawls a small site with three workers, and serves that site itself.
The program takes no options.";

#[tokio::main]
async fn main() -> std::io::Result<()> {
    examples::arguments::takes_none(USAGE);
    let site = examples::spider::serve_site().await?;
    let found = examples::spider::crawl(&site.url("/"), 3).await;
    for (url, outcome) in &found {
        match outcome {
            Ok(status) => println!("{status}  {url}"),
            Err(error) => println!("failed  {url}: {error}"),
        }
    }
    println!("{} addresses", found.len());
    Ok(())
}
