//! Opens a store by its URL.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use lockgate::ErrorKind;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;

use super::Store;
use crate::error::Error;

const FORMS: &str = "write the path of a folder, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`";

impl Store {
    /// Opens a store: the path of a folder, `file:///folder`, or with the features of this crate `s3://bucket/prefix`,
    /// `gs://bucket/prefix` and `az://container/prefix`.
    ///
    /// The folder must exist: if its disk is not mounted, no backup goes to the wrong disk. Credentials and the address
    /// of a server are read from the environment variables that each provider's own tools read (`AWS_ACCESS_KEY_ID`,
    /// `AWS_ENDPOINT_URL` and so on), never from the URL. This sends nothing yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] if the URL is not understood or needs a feature that is off;
    /// [`ErrorKind::Unreachable`] if the folder does not exist.
    pub fn open(url: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = url.split_once("://") else { return folder(url, FilePath::new(url)) };
        if scheme == "file" {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            if !path.starts_with('/') {
                let error = Error::usage(format!("`{}` does not name a folder", lockgate::mask_secrets(url)));
                return Err(error.help("write `file:///folder` with three slashes, or only the path"));
            }
            let path = Path::from_url_path(path).map_err(|error| {
                Error::usage(format!("`{url}` does not name a folder: {error}"))
                    .help("write only the path of the folder")
            })?;
            return folder(url, &FilePath::new("/").join(path.as_ref()));
        }
        bucket(url, scheme, rest)
    }

    /// Checks the URL of a store as far as that is possible without credentials: a folder must exist, and this build must
    /// support the kind of a bucket.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open), but for wrong or missing credentials.
    pub fn check(url: &str) -> Result<(), Error> {
        match url.split_once("://") {
            None | Some(("file", _)) => Self::open(url).map(drop),
            Some((scheme, rest)) => parsed(url, scheme, rest).map(drop),
        }
    }
}

fn folder(url: &str, path: &FilePath) -> Result<Store, Error> {
    if url.is_empty() {
        return Err(Error::usage("the URL of the store is empty").help(FORMS));
    }
    if path.exists() && !path.is_dir() {
        let what = format!("the store `{}` is not a folder", path.display());
        return Err(Error::usage(what).help("name the folder that contains the folders of the databases"));
    }
    if !path.is_dir() {
        let what = format!("the folder of the store, `{}`, does not exist", path.display());
        let shown = path.display().to_string();
        let option_end = if shown.starts_with('-') { "-- " } else { "" };
        let help = format!("create it, or mount its disk: `mkdir -p {option_end}{}`", lockgate::shell_word(&shown));
        return Err(Error::new(ErrorKind::Unreachable, what).help(help));
    }
    let failed = |error: &dyn std::fmt::Display| {
        Error::failed(format!("the folder of the store, `{}`, cannot be used: {error}", path.display()))
    };
    let whole: PathBuf = path.canonicalize().map_err(|error| failed(&error))?;
    let objects = LocalFileSystem::new_with_prefix(&whole).map_err(|error| failed(&error))?;
    let objects = Arc::new(objects.with_fsync(true));
    Ok(Store { objects, prefix: Path::default(), shown: path.display().to_string(), folder: Some(whole) })
}

/// The feature, the bucket and the prefix of a URL.
fn parsed<'a>(url: &str, scheme: &str, rest: &'a str) -> Result<(&'static str, &'a str, Path), Error> {
    let feature = match scheme {
        "s3" => "s3",
        "gs" => "gcs",
        "az" => "azure",
        other => {
            let what = format!("`{}://` is not a kind of store", lockgate::mask_secrets(other));
            return Err(Error::usage(what).help(FORMS));
        }
    };
    // The rest may contain a secret, so it is not shown.
    if rest.contains(['@', '?', '#']) {
        let error = Error::usage("the URL of a store may contain only a bucket and a prefix");
        return Err(
            error.help("give credentials and the address of the server in the environment variables of the provider")
        );
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(Error::usage(format!("`{url}` does not name a bucket")).help(FORMS));
    }
    let prefix = Path::parse(prefix).map_err(|error| {
        Error::usage(format!("the prefix of `{url}` is invalid: {error}")).help("write it without empty parts")
    })?;
    let is_supported = match feature {
        "s3" => cfg!(feature = "s3"),
        "gcs" => cfg!(feature = "gcs"),
        _ => cfg!(feature = "azure"),
    };
    if !is_supported {
        let what = format!("this build does not support stores of the kind `{scheme}://`");
        let help = format!("build it with the feature `{feature}` of the crate `lockgate-backup`, or name a folder");
        return Err(Error::usage(what).help(help));
    }
    Ok((feature, bucket, prefix))
}

fn bucket(url: &str, scheme: &str, rest: &str) -> Result<Store, Error> {
    let (feature, bucket, prefix) = parsed(url, scheme, rest)?;
    let objects = objects(feature, bucket).expect("this build supports it");
    let objects = objects.map_err(|error| {
        Error::usage(format!("the store `{url}` cannot be used: {}", super::reason(&error)))
            .help("set credentials, region and server in the environment variables of the provider")
    })?;
    Ok(Store { objects, prefix, shown: url.to_owned(), folder: None })
}

type Objects = Result<Arc<dyn ObjectStore>, object_store::Error>;

/// The bucket of a provider. `None` if this build does not support the provider.
#[cfg_attr(not(feature = "cloud"), expect(unused_variables, reason = "this build supports no provider"))]
fn objects(feature: &str, bucket: &str) -> Option<Objects> {
    match feature {
        #[cfg(feature = "s3")]
        "s3" => {
            let builder = object_store::aws::AmazonS3Builder::from_env().with_client_options(cloud());
            let builder = builder.with_bucket_name(bucket);
            // The variable that AWS's own tools read.
            let builder = match std::env::var("AWS_ENDPOINT_URL") {
                Ok(endpoint) if !endpoint.is_empty() => {
                    let is_plain = endpoint.starts_with("http://");
                    builder.with_endpoint(endpoint).with_allow_http(is_plain)
                }
                _ => builder,
            };
            Some(builder.build().map(|store| Arc::new(store) as _))
        }
        #[cfg(feature = "gcs")]
        "gcs" => {
            let builder = object_store::gcp::GoogleCloudStorageBuilder::from_env().with_client_options(cloud());
            Some(builder.with_bucket_name(bucket).build().map(|store| Arc::new(store) as _))
        }
        #[cfg(feature = "azure")]
        "azure" => {
            let builder = object_store::azure::MicrosoftAzureBuilder::from_env().with_client_options(cloud());
            Some(builder.with_container_name(bucket).build().map(|store| Arc::new(store) as _))
        }
        _ => None,
    }
}

/// A part of a dump may take minutes over a slow connection; the default timeout of the library is 30 seconds.
#[cfg(feature = "cloud")]
fn cloud() -> object_store::ClientOptions {
    use std::time::Duration;

    // If the program has already chosen a provider, that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = object_store::ClientOptions::new();
    options.with_timeout(Duration::from_secs(600)).with_connect_timeout(Duration::from_secs(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_store_is_refused_by_name() {
        for (url, said) in [
            ("", "is empty"),
            ("/no/such/folder", "`mkdir -p /no/such/folder`"),
            ("/no/my folder", "`mkdir -p '/no/my folder'`"),
            ("/dev/null", "is not a folder"),
            ("file://tmp", "three slashes"),
            ("ftp://host/x", "`ftp://` is not a kind of store"),
            ("s3://", "does not name a bucket"),
            ("s3://key:secret@bucket", "variables of the provider"),
            ("gs://bucket?token=secret", "variables of the provider"),
        ] {
            let report = Store::open(url).unwrap_err().report();
            assert!(report.contains(said), "{report}");
            assert_eq!(Store::check(url).unwrap_err().report(), report);
            assert!(report.contains("help:") && !report.contains("secret"), "{report}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        assert!(Store::open(path).is_ok() && Store::check(path).is_ok());
        assert!(Store::open(&format!("file://{path}")).is_ok());
    }
}
