//! Crawls a small site, which it serves itself, with three workers.

const USAGE: &str = "usage: spider\n\nCrawls a small site, which it serves itself, with three workers. It takes no options.";

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
