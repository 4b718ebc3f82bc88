//! The object stores that are reached over HTTP; credentials and options come from the environment.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::http::Connector;

/// A store that does not answer is given up after so long; four requests are made meanwhile.
const GIVEN_UP: Duration = Duration::from_secs(30);

/// The store of a URL; nothing is asked yet.
pub(super) fn open(scheme: &str, url: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    let retries = RetryConfig { backoff: BackoffConfig::default(), max_retries: 3, retry_timeout: GIVEN_UP };
    macro_rules! built {
        ($builder:ty) => {
            Arc::new(<$builder>::from_env().with_url(url).with_http_connector(Connector).with_retry(retries).build()?)
        };
    }
    Ok(match scheme {
        "s3" => built!(AmazonS3Builder),
        "gs" => built!(GoogleCloudStorageBuilder),
        _ => built!(MicrosoftAzureBuilder),
    })
}
