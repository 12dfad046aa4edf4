// A store in memory, which is the defect of every store built on it: nothing survives a crash. Hooks: FENCES, WHOLE_BATCHES
// (true or false).
#include "mini.h"

#include <sigrun/store.h>

#include <map>
#include <mutex>
#include <string>

#ifndef FENCES
#define FENCES true
#endif
#ifndef WHOLE_BATCHES
#define WHOLE_BATCHES true
#endif

namespace {

struct shard {
    uint64_t epoch = 0, position = 0;
    std::map<std::string, std::pair<uint64_t, std::string>> records;  // kind and key -> position, body
};
struct shard_map {
    std::mutex mutex;
    std::map<uint32_t, shard> shards;
};
shard_map& all() {
    static auto& made = *new shard_map;  // no destructor at unload: mini_unload frees it
    return made;
}

std::string id_of(uint32_t kind, sigrun_str key) {
    return std::string(reinterpret_cast<const char*>(&kind), sizeof kind) + std::string(key.ptr, key.len);
}
sigrun_result finish(sigrun_op op, sigrun_result result, const std::string& text) {
    const auto* buffers = static_cast<const sigrun_svc_buffer*>(service(SIGRUN_SVC_BUFFER));
    sigrun_buf* made = buffers->create(mini_host, text.size());
    void* at = nullptr;
    buffers->view(made, &at, nullptr, nullptr);
    memcpy(at, text.data(), text.size());
    buffers->set_len(made, text.size());
    mini_host->complete(mini_host, op, result, made);
    return SIGRUN_PENDING;
}

sigrun_result own(sigrun_instance*, uint32_t verb, const sigrun_fence* fence, uint64_t, sigrun_op op) {
    std::lock_guard lock(all().mutex);
    auto& s = all().shards[fence->shard];
    if (verb == SIGRUN_OWN_TAKE) ++s.epoch;
    return finish(op, SIGRUN_OK, "{\"epoch\":" + std::to_string(s.epoch) + "}");
}
sigrun_result append(sigrun_instance*, const sigrun_fence* fence, const sigrun_record* records, uint32_t n, uint32_t,
                     sigrun_op op) {
    std::lock_guard lock(all().mutex);
    auto& s = all().shards[fence->shard];
    if (FENCES && fence->epoch != s.epoch) return finish(op, SIGRUN_E_FENCED, "a newer owner");
    for (uint32_t i = 0; i < n && WHOLE_BATCHES; ++i)
        if ((records[i].flags & SIGRUN_RECORD_INSERT) && s.records.count(id_of(records[i].kind, records[i].key)))
            return finish(op, SIGRUN_E_EXISTS, "it exists");
    for (uint32_t i = 0; i < n; ++i) {
        const auto& r = records[i];
        const auto id = id_of(r.kind, r.key);
        if ((r.flags & SIGRUN_RECORD_INSERT) && s.records.count(id)) return finish(op, SIGRUN_E_EXISTS, "it exists");
        if (r.flags & SIGRUN_RECORD_DELETE)
            s.records.erase(id);
        else
            s.records[id] = {++s.position, std::string(static_cast<const char*>(r.body.ptr), r.body.len)};
    }
    return finish(op, SIGRUN_OK, "{\"position\":" + std::to_string(s.position) + "}");
}
sigrun_result scan(sigrun_instance*, uint32_t number, uint64_t position, uint32_t max, sigrun_op op) {
    std::lock_guard lock(all().mutex);
    std::map<uint64_t, std::pair<std::string, std::string>> found;  // position -> id, body
    for (const auto& [id, record] : all().shards[number].records)
        if (record.first > position) found[record.first] = {id, record.second};
    std::string packed;
    auto put = [&packed](auto value) { packed.append(reinterpret_cast<const char*>(&value), sizeof value); };
    uint32_t count = 0;
    uint64_t last = 0;
    for (const auto& [at, record] : found) {
        if (count == max) break;
        ++count;
        last = at;
        packed += record.first.substr(0, 4);
        put(static_cast<uint32_t>(record.first.size() - 4));
        put(static_cast<uint32_t>(record.second.size()));
        put(at);
        packed += record.first.substr(4) + record.second;
    }
    std::string head;
    head.append(reinterpret_cast<const char*>(&count), sizeof count);
    if (count == found.size()) last = 0;
    head.append(reinterpret_cast<const char*>(&last), sizeof last);
    return finish(op, SIGRUN_OK, head + packed);
}
const sigrun_store mini_store = {sizeof(sigrun_store), 0, own, append, scan, nullptr, nullptr, nullptr};

}  // namespace

#define MINI_KIND SIGRUN_KIND_STORE
#define MINI_TABLE &mini_store
#define AT_UNLOAD delete &all();
#include "mini_plugin.h"
