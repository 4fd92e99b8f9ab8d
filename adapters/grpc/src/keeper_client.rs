//! The platform as a keeper sees it.

use argus_domain::B256;
use argus_ports::{FromKeeper, KeeperLink, KeeperSession, LinkError, SignedHello, ToKeeper};
use argus_proto::v1;
use async_trait::async_trait;
use tokio::time::timeout;
use tonic::{service::interceptor::InterceptedService, transport::Channel};

use crate::{
    MESSAGE_BYTES_MAX,
    batch::batches,
    client::Client,
    frames::{error_of, hash, hello_to_wire},
    security::Show,
    session::{Session, queue},
    wire::keepers_client::KeepersClient,
};

impl Client {
    fn keepers(&self) -> KeepersClient<InterceptedService<Channel, Show>> {
        KeepersClient::new(InterceptedService::new(self.channel.clone(), self.show.clone()))
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Within the deadline, or the platform counts as gone.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    ) -> Result<T, LinkError> {
        let late = || LinkError::Gone(format!("no answer within {} ms", self.deadline.as_millis()));
        let answer = timeout(self.deadline, answer).await.map_err(|_| late())?;
        answer.map(tonic::Response::into_inner).map_err(|status| error_of(&status))
    }
}

#[async_trait]
impl KeeperLink for Client {
    async fn nonce(&self) -> Result<B256, LinkError> {
        let mut keepers = self.keepers();
        let reply = self.in_time(keepers.nonce(v1::NonceRequest {})).await?;
        hash(&reply.nonce, "nonce").map_err(|e| LinkError::Gone(format!("the answer cannot be read: {e}")))
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let (out, waiting) = queue::<FromKeeper>();
        let what = Some(v1::keeper_frame::What::Hello(hello_to_wire(&hello)));
        let first = out.try_send(v1::KeeperFrame { what });
        first.map_err(|_| LinkError::Gone("the stream cannot be opened".to_owned()))?;
        let frames = batches(waiting, |items| v1::KeeperFrames { items });
        let mut keepers = self.keepers();
        let answers = self.in_time(keepers.session(frames)).await?;
        let unpack = |batch: v1::PlatformFrames| batch.items;
        let session: Session<FromKeeper, ToKeeper> = Session::start(out, answers, unpack, self.deadline);
        Ok(Box::new(session))
    }
}
