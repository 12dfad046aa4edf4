// Bare gRPC (grpc++, completion queues, one thread each) doing the two hops of a job: a client, a forwarder and a backend
// that echoes the message of a unary call. One channel for all calls in flight.
//   peer_grpc backend | forward PORT | client PORT OUTSTANDING SECONDS [BYTES]
#include "closed_loop.hpp"
#include "echo.grpc.pb.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace {

std::string loopback(int port) { return "127.0.0.1:" + std::to_string(port); }

/// One call of a client, from its request to the end of its answer; then it makes place for the next one.
class served {
public:
    served(peers::Echo::AsyncService& service, grpc::ServerCompletionQueue& queue, peers::Echo::Stub* upstream)
        : service_(service), queue_(queue), upstream_(upstream), writer_(&context_) {
        service_.RequestCall(&context_, &request_, &writer_, &queue_, &queue_, this);
    }
    void go_on(bool good) {
        switch (step_) {
            case step::request:
                if (!good) return delete this;
                new served(service_, queue_, upstream_);
                if (!upstream_) return answer(request_, grpc::Status::OK);
                step_ = step::upstream;
                reader_ = upstream_->AsyncCall(&out_, request_, &queue_);
                return reader_->Finish(&reply_, &status_, this);
            case step::upstream: return answer(reply_, status_);
            case step::answer: return delete this;
        }
    }

private:
    enum class step { request, upstream, answer };
    void answer(const peers::Bytes& what, const grpc::Status& how) {
        step_ = step::answer;
        writer_.Finish(what, how, this);
    }

    peers::Echo::AsyncService& service_;
    grpc::ServerCompletionQueue& queue_;
    peers::Echo::Stub* upstream_;
    grpc::ServerContext context_;
    grpc::ServerAsyncResponseWriter<peers::Bytes> writer_;
    peers::Bytes request_, reply_;
    step step_ = step::request;
    grpc::ClientContext out_;
    grpc::Status status_;
    std::unique_ptr<grpc::ClientAsyncResponseReader<peers::Bytes>> reader_;
};

void serve(int upstream) {
    peers::Echo::AsyncService service;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(loopback(0), grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    const auto queue = builder.AddCompletionQueue();
    const auto server = builder.BuildAndStart();
    std::unique_ptr<peers::Echo::Stub> to;
    if (upstream)
        to = peers::Echo::NewStub(grpc::CreateChannel(loopback(upstream), grpc::InsecureChannelCredentials()));
    new served(service, *queue, to.get());
    peers::tell_port(port);
    void* tag = nullptr;
    bool good = false;
    while (queue->Next(&tag, &good)) static_cast<served*>(tag)->go_on(good);
}

struct call {
    grpc::ClientContext context;
    peers::Bytes reply;
    grpc::Status status;
    peers::clock::time_point sent;
    std::unique_ptr<grpc::ClientAsyncResponseReader<peers::Bytes>> reader;
};

void measure(const peers::load& wanted) {
    const auto stub =
        peers::Echo::NewStub(grpc::CreateChannel(loopback(wanted.port), grpc::InsecureChannelCredentials()));
    peers::Bytes request;
    request.set_data(std::string(static_cast<std::size_t>(wanted.bytes), 'x'));
    grpc::CompletionQueue queue;
    peers::latencies seen;
    std::uint64_t errors = 0;
    int open = 0;
    auto start = [&] {
        auto* c = new call;
        c->context.set_wait_for_ready(true);
        c->sent = peers::clock::now();
        c->reader = stub->AsyncCall(&c->context, request, &queue);
        c->reader->Finish(&c->reply, &c->status, c);
        ++open;
    };
    auto finish = [&]() -> bool {
        void* tag = nullptr;
        bool good = false;
        if (!queue.Next(&tag, &good)) return false;
        const std::unique_ptr<call> c(static_cast<call*>(tag));
        --open;
        if (good && c->status.ok())
            seen.add(c->sent, peers::clock::now());
        else
            ++errors;
        return true;
    };
    {  // the connection is made by the first call
        start();
        finish();
        seen.clear();
    }
    const auto begin = peers::clock::now();
    const auto until =
        begin + std::chrono::duration_cast<peers::clock::duration>(std::chrono::duration<double>(wanted.seconds));
    for (int i = 0; i < wanted.outstanding; ++i) start();
    while (open && finish())
        if (peers::clock::now() < until) start();
    seen.print(std::chrono::duration<double>(peers::clock::now() - begin).count(), errors);
}

}  // namespace

int main(int argc, char** argv) {
    const auto mine = peers::parse_part(argc, argv);
    if (mine.is == peers::role::client)
        measure(mine.wanted);
    else
        serve(mine.upstream);
}
