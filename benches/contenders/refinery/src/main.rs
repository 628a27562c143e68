//! refinery with tokio-postgres and rusqlite: applies what is pending.

mod embedded {
    refinery::embed_migrations!("migrations");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).ok_or("usage: contender <URL or file>")?;
    if !target.starts_with("postgres:") {
        let mut connection = rusqlite::Connection::open(target)?;
        embedded::migrations::runner().run(&mut connection)?;
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut client, connection) = tokio_postgres::connect(&target, tokio_postgres::NoTls).await?;
        let connection = tokio::spawn(connection);
        embedded::migrations::runner().run_async(&mut client).await?;
        drop(client);
        connection.await??;
        Ok(())
    })
}
