//! Makes the completion of an upload in parts conditional, as a put in one piece is.
//!
//! S3 takes `If-None-Match: *` with the request that completes an upload, and the client sends it with copies only. So it
//! is added here, to the request as it goes out; a signature of S3 covers the headers that it names.

use std::pin::Pin;

use http::{HeaderValue, Method};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// Makes clients of [`CreateOnly`].
#[derive(Debug)]
pub struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(CreateOnly(inner)))
    }
}

#[derive(Debug)]
struct CreateOnly(HttpClient);

impl HttpService for CreateOnly {
    /// As the macro of the trait would write it.
    fn call<'a, 'b>(
        &'a self,
        mut request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let query = request.uri().query().unwrap_or_default();
        if request.method() == Method::POST && query.starts_with("uploadId=") {
            request.headers_mut().insert(http::header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        Box::pin(self.0.execute(request))
    }
}
