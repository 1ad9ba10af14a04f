//! The ceiling: axum alone, which reads the body and says 202 with as long an answer.

use std::net::SocketAddr;

use anyhow::Result;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;

/// Serves until the process is killed, with tokio's usual runtime as flowhook has it.
pub(crate) fn serve(address: SocketAddr) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let router = Router::new().route("/hooks/{source}", post(accept));
        axum::serve(TcpListener::bind(address).await?, router).await?;
        Ok(())
    })
}

async fn accept(body: Bytes) -> impl IntoResponse {
    let id = format!("msg_{:032x}", body.len());
    (StatusCode::ACCEPTED, Json(json!({"status": "accepted", "id": id, "changes": 1})))
}
