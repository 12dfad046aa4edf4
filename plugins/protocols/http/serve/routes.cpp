#include "serve/routes.hpp"

#include <array>

namespace sigrun::http {
namespace {

constexpr param k_id{source::path, "id", "id"};
constexpr param k_limit{source::query, "limit", "limit", kind::integer, "how many items, 1 to 1000"};
constexpr param k_cursor{source::query, "cursor", "cursor", kind::text, "the `next` of the page before"};
constexpr param k_reason{source::query, "reason", "reason", kind::text, "shown to people"};
constexpr std::array k_config_reload{
    param{source::query, "dry_run", "dry_run", kind::boolean, "only say what would happen"}};
constexpr std::array k_config_rollback{
    param{source::query, "revision", "revision", kind::integer, "number to go back to; the one before if left out"},
    param{source::query, "dry_run", "dry_run", kind::boolean, "only say what would happen"}};
constexpr std::array k_config_revision{param{source::path, "id", "revision"}};
constexpr std::array k_config_diff{
    param{source::query, "from", "from", kind::integer, "number of a revision"},
    param{source::query, "to", "to", kind::integer, "another one; the current one if left out"}};
constexpr std::array k_backup{
    param{source::query, "path", "path", kind::text, "absolute path of a new file on the daemon's machine"}};
constexpr std::array k_rotate{k_id, param{source::query, "overlap", "overlap", kind::text,
                                          "how long the old text stays good; not at all if left out"}};
constexpr param k_token{source::path, "token", ""};

constexpr std::array k_submit{
    param{source::query, "wait", "wait", kind::text, "answer when the job ended, or after this duration"},
    param{source::header, "Idempotency-Key", "idempotency_key", kind::text, "the same key never makes a second job"}};
constexpr std::array k_submit_many{
    param{source::header, "Idempotency-Key", "idempotency_key", kind::text, "the same key never makes other jobs"},
    param{source::query, "dry_run", "dry_run", kind::boolean, "only tell what would be submitted"}};
constexpr std::array k_list_jobs{param{source::query, "state", "state", kind::text, "only jobs in this state"},
                                 param{source::query, "where", "where", kind::text,
                                       "an expression over job.state, job.queue, job.runner, label.NAME and the like"},
                                 param{source::query, "queue", "queue", kind::text, "only jobs of this queue"},
                                 param{source::query, "tenant", "tenant", kind::text, "only jobs of this tenant"},
                                 k_limit,
                                 k_cursor};
constexpr std::array k_only_id{k_id};
constexpr std::array k_cancel{
    k_id, param{source::query, "grace", "grace", kind::text, "time between TERM and KILL, 10s if left out"}};
// An EventSource asks for the same address again when it resumes, so its header comes before the query.
constexpr std::array k_logs{
    k_id,
    param{source::header, "Last-Event-ID", "offset", kind::integer, "offset to resume an event stream from"},
    param{source::query, "offset", "offset", kind::integer, "first byte wanted, unless resumed"},
    param{source::query, "follow", "follow", kind::boolean, "stay until the job has ended"},
    param{source::query, "since", "since", kind::text, "only what came then or later: a duration (ago), or a time"},
    param{source::query, "tail", "tail", kind::integer, "only so many of the last lines"},
    param{source::query, "attempt", "attempt", kind::integer, "only the output of this attempt"},
    param{source::query, "format", "", kind::text, "raw or sse; sse also by Accept: text/event-stream"}};
constexpr std::array k_artifact{
    k_id, param{source::path, "name", "name"},
    param{source::query, "offset", "offset", kind::integer, "first byte wanted"},
    param{source::header, "Range", "", kind::text, "bytes=FIRST- or bytes=FIRST-LAST, answered with 206"}};
constexpr std::array k_list_runners{param{source::query, "where", "where", kind::text, "a requirement to satisfy"},
                                    k_limit, k_cursor};
constexpr std::array k_remove{k_id, param{source::query, "force", "force", kind::boolean, "also while jobs run there"}};
constexpr std::array k_reload{
    k_id, param{source::query, "probation", "probation", kind::boolean, "no: the version before is not kept warm"}};
constexpr std::array k_pin{k_id, param{source::query, "pinned", "pinned", kind::boolean, "no lets go of it"}};
constexpr std::array k_unplug{
    k_id, param{source::query, "force", "force", kind::boolean, "also if the configuration names it"}};
constexpr std::array k_id_reason{k_id, k_reason};
constexpr std::array k_runner_migrate{k_id,
                                      param{source::query, "to", "to", kind::text, "name of a protocol, or auto"}};
constexpr std::array k_export{k_id, param{source::query, "format", "format", kind::text, "nfd or reapi"}};
constexpr std::array k_runner_reload{
    k_id, param{source::query, "plugin", "plugin", kind::text, "id or file name; all that changed if left out"}};
constexpr std::array k_events{
    param{source::header, "Last-Event-ID", "after", kind::integer, "number to resume from, as EventSource sends it"},
    param{source::query, "after", "after", kind::integer, "sequence number of the last event seen, unless resumed"},
    param{source::query, "types", "types", kind::text, "comma separated prefixes of event types"}};
constexpr std::array k_history{
    param{source::query, "window", "window", kind::text, "how far back, 1s to 24h; 1h if left out"},
    param{source::query, "series", "series", kind::text, "comma separated beginnings of names; all if left out"}};
constexpr std::array k_demand{
    param{source::query, "class", "class", kind::text, "only this class, as an earlier answer names it"},
    param{source::query, "queue", "queue", kind::text, "only jobs of this queue"},
    param{source::query, "tenant", "tenant", kind::text, "only jobs of this tenant"},
    param{source::query, "limit", "limit", kind::integer,
          "classes that are told one by one, 1 to 1000; 100 if left out"},
    param{source::query, "hold", "hold", kind::text,
          "a job that waits for less than this is no shortfall yet; 0s if left out"},
    param{source::query, "idle", "idle", kind::text, "runners without a job for so long are idle; 5m if left out"}};
constexpr std::array k_probe{param{source::query, "only", "only", kind::text, "comma separated prefixes of fact keys"}};
constexpr std::array k_call{param{source::path, "method", ""},
                            param{source::query, "params", "", kind::text, "the method's params as a JSON object"}};
constexpr std::array k_open{param{source::query, "method", "", kind::text, "runners.register or sessions.open"}};
constexpr std::array k_poll{
    k_token, param{source::query, "wait", "", kind::text, "how long to wait for frames, at most 25s"},
    param{source::query, "ack", "", kind::integer, "highest seq processed; frames after it are sent"}};
constexpr std::array k_session{k_token};
constexpr std::array k_record{
    param{source::path, "id", "balancer"},
    param{source::query, "picks", "picks", kind::integer, "how many, 1 to 1000000; 1000 if left out"}};
constexpr std::array k_asset{
    param{source::path, "name", ""},
    param{source::query, "v", "", kind::text, "of which version it is; any has the same content"}};
constexpr std::span<const param> k_none{};

constexpr route k_routes[] = {
    {"POST", "/v1/jobs", "jobs.submit", answer::json, body::json, 201, "/v1/jobs/", k_submit, "submit a job"},
    {"POST", "/v1/submissions", "jobs.submit_many", answer::json, body::json, 201, "", k_submit_many,
     "submit jobs that need each other"},
    {"GET", "/v1/jobs", "jobs.list", answer::json, body::none, 200, "", k_list_jobs, "jobs, newest first"},
    {"GET", "/v1/jobs/{id}", "jobs.get", answer::json, body::none, 200, "", k_only_id, "one job"},
    {"POST", "/v1/jobs/{id}/cancel", "jobs.cancel", answer::json, body::none, 200, "", k_cancel, "end a job"},
    {"POST", "/v1/jobs/{id}/retry", "jobs.retry", answer::json, body::none, 201, "/v1/jobs/", k_only_id,
     "the same again as a new job"},
    {"GET", "/v1/jobs/{id}/logs", "jobs.logs", answer::logs, body::none, 200, "", k_logs, "output of a job"},
    {"GET", "/v1/jobs/{id}/artifacts", "artifacts.list", answer::json, body::none, 200, "", k_only_id,
     "what a job has left"},
    {"GET", "/v1/jobs/{id}/artifacts/{name...}", "artifacts.read", answer::bytes, body::none, 200, "", k_artifact,
     "an artifact of a job"},
    {"GET", "/v1/jobs/{id}/explain", "jobs.explain", answer::json, body::none, 200, "", k_only_id,
     "why a job waits or runs where it runs"},
    {"POST", "/v1/runners", "runners.add", answer::json, body::json, 201, "/v1/runners/", k_none, "add a runner"},
    {"GET", "/v1/runners", "runners.list", answer::json, body::none, 200, "", k_list_runners, "runners"},
    {"GET", "/v1/runners/{id}", "runners.get", answer::json, body::none, 200, "", k_only_id,
     "one runner with its facts"},
    {"DELETE", "/v1/runners/{id}", "runners.remove", answer::json, body::none, 200, "", k_remove, "remove a runner"},
    {"POST", "/v1/runners/{id}/drain", "runners.drain", answer::json, body::none, 200, "", k_id_reason, "no new jobs"},
    {"POST", "/v1/runners/{id}/resume", "runners.resume", answer::json, body::none, 200, "", k_id_reason,
     "take jobs again"},
    {"POST", "/v1/runners/{id}/maintenance", "runners.maintenance", answer::json, body::none, 200, "", k_id_reason,
     "out of service"},
    {"POST", "/v1/runners/{id}/detect", "runners.detect", answer::json, body::none, 200, "", k_only_id, "fresh facts"},
    {"POST", "/v1/runners/{id}/migrate", "runners.migrate", answer::json, body::none, 200, "", k_runner_migrate,
     "its work goes over another protocol"},
    {"POST", "/v1/runners/{id}/reload", "runners.reload", answer::json, body::none, 200, "", k_runner_reload,
     "replace plugins of the runner by what their files hold now"},
    {"GET", "/v1/runners/{id}/export", "runners.export", answer::json, body::none, 200, "", k_export,
     "its facts in the words of others"},
    {"GET", "/v1/events", "events.watch", answer::events, body::none, 200, "", k_events, "what happens, as SSE"},
    {"GET", "/v1/plugins", "plugins.list", answer::json, body::none, 200, "", k_none, "plugins"},
    {"GET", "/v1/plugins/{id}", "plugins.get", answer::json, body::none, 200, "", k_only_id, "one plugin"},
    {"POST", "/v1/plugins/{id}/reload", "plugins.reload", answer::json, body::none, 200, "", k_reload,
     "load what the plugin's file holds now"},
    {"POST", "/v1/plugins/{id}/pin", "plugins.pin", answer::json, body::none, 200, "", k_pin,
     "keep the plugin as it is"},
    {"DELETE", "/v1/plugins/{id}", "plugins.remove", answer::json, body::none, 200, "", k_unplug,
     "take a plugin out of service"},
    {"POST", "/v1/plugins/{id}/admit", "plugins.admit", answer::json, body::none, 200, "", k_only_id,
     "lift the quarantine of a plugin that crashed"},
    {"POST", "/v1/balancers/{id}/record", "balancers.record", answer::json, body::none, 200, "", k_record,
     "record what a balancer is asked and answers"},
    {"GET", "/v1/balancers/recording", "balancers.recording", answer::json, body::none, 200, "", k_none,
     "how far the recording is"},
    {"DELETE", "/v1/balancers/recording", "balancers.recorded", answer::file, body::none, 200, "", k_none,
     "end the recording; the answer is the file for `sigrun balancer replay`"},
    {"POST", "/v1/store/backup", "store.backup", answer::json, body::none, 201, "", k_backup,
     "copy the store to a new file while it is in use"},
    {"GET", "/v1/store/backup", "store.backup_progress", answer::json, body::none, 200, "", k_none,
     "how far the copy under way has come"},
    {"GET", "/v1/config", "config.get", answer::json, body::none, 200, "", k_none, "settings in effect"},
    {"POST", "/v1/config/reload", "config.reload", answer::json, body::none, 200, "", k_config_reload,
     "read the configuration again"},
    {"POST", "/v1/config/rollback", "config.rollback", answer::json, body::none, 200, "", k_config_rollback,
     "load the files of an earlier revision"},
    {"GET", "/v1/config/revisions", "config.history", answer::json, body::none, 200, "", k_none,
     "configurations that were in use"},
    {"GET", "/v1/config/revisions/current", "config.show", answer::json, body::none, 200, "", k_none,
     "the configuration in use"},
    {"GET", "/v1/config/revisions/{id}", "config.show", answer::json, body::none, 200, "", k_config_revision,
     "one of them"},
    {"GET", "/v1/config/diff", "config.diff", answer::json, body::none, 200, "", k_config_diff,
     "what is different between two of them"},
    {"POST", "/v1/tokens", "tokens.create", answer::json, body::json, 201, "/v1/tokens/", k_none,
     "make a token; its text is in this answer alone"},
    {"GET", "/v1/tokens", "tokens.list", answer::json, body::none, 200, "", k_none, "tokens, without their texts"},
    {"POST", "/v1/tokens/{id}/rotate", "tokens.rotate", answer::json, body::none, 200, "", k_rotate,
     "give a token a new text"},
    {"DELETE", "/v1/tokens/{id}", "tokens.remove", answer::json, body::none, 200, "", k_only_id, "revoke a token"},
    {"GET", "/v1/methods", "methods.list", answer::json, body::none, 200, "", k_none,
     "every method there is, and what its caller must be allowed to do"},
    {"GET", "/v1/stats", "stats.get", answer::json, body::none, 200, "", k_none, "numbers of this daemon"},
    {"GET", "/v1/stats/history", "stats.history", answer::json, body::none, 200, "", k_history,
     "what the daemon did of late, for charts"},
    {"GET", "/v1/demand", "demand.get", answer::json, body::none, 200, "", k_demand,
     "runners that jobs wait for, and runners that nobody needs"},
    {"GET", "/v1/version", "version.get", answer::json, body::none, 200, "", k_none, "version of this daemon"},
    {"GET", "/v1/probe", "probe.run", answer::json, body::none, 200, "", k_probe, "facts of the daemon's machine"},
    {"GET", "/healthz", "health.live", answer::json, body::none, 200, "", k_none, "alive"},
    {"GET", "/readyz", "health.ready", answer::json, body::none, 200, "", k_none, "ready for work"},
    {"GET", "/metrics", "metrics.get", answer::text_payload, body::none, 200, "", k_none, "Prometheus text"},
    {"POST", "/v1/call/{method}", "", answer::call, body::json, 200, "", k_call, "any method; replies as JSON lines"},
    {"POST", "/v1/sessions", "", answer::open_session, body::json, 201, "", k_open, "open a runner session"},
    {"GET", "/v1/sessions/{token}/frames", "", answer::poll_frames, body::none, 200, "", k_poll,
     "frames for this peer"},
    {"POST", "/v1/sessions/{token}/frames", "", answer::post_frames, body::json, 200, "", k_poll,
     "frames from this peer; with `wait` also a poll"},
    {"DELETE", "/v1/sessions/{token}", "", answer::close_session, body::none, 204, "", k_session, "end a session"},
    {"GET", "/v1/openapi.json", "", answer::openapi, body::none, 200, "", k_none, "this API as OpenAPI 3.1"},
    {"GET", "/", "", answer::index, body::none, 200, "", k_none, "the routes of this API; for a browser the dashboard"},
    {"GET", "/ui/{name}", "", answer::asset, body::none, 200, "", k_asset, "a part of the dashboard"},
};

bool is_variable(std::string_view part) { return part.size() > 2 && part.front() == '{' && part.back() == '}'; }

bool takes_rest(std::string_view part) { return part.size() > 5 && part.front() == '{' && part.ends_with("...}"); }

std::string rest_of(const std::vector<std::string>& segments, std::size_t from) {
    std::string rest = segments[from];
    while (++from < segments.size()) rest += "/" + segments[from];
    return rest;
}

bool fits(std::string_view pattern, const std::vector<std::string>& segments, std::vector<std::string>& variables) {
    variables.clear();
    pattern.remove_prefix(1);
    std::size_t i = 0;
    while (!pattern.empty()) {
        const auto slash = pattern.find('/');
        const auto part = pattern.substr(0, slash);
        pattern.remove_prefix(slash == std::string_view::npos ? pattern.size() : slash + 1);
        if (i == segments.size()) return false;
        if (takes_rest(part)) {
            variables.push_back(rest_of(segments, i));
            return !segments[i].empty();
        }
        if (is_variable(part)) {
            if (segments[i].empty()) return false;
            variables.push_back(segments[i]);
        } else if (part != segments[i]) {
            return false;
        }
        ++i;
    }
    return i == segments.size();
}

}  // namespace

std::span<const route> routes() noexcept { return k_routes; }

route_match find_route(std::string_view verb, const std::vector<std::string>& segments) {
    route_match match;
    const std::string_view wanted = verb == "HEAD" ? "GET" : verb;
    std::vector<std::string> variables;
    for (const auto& r : k_routes) {
        if (!fits(r.pattern, segments, variables)) continue;
        if (!match.allow.empty()) match.allow += ", ";
        match.allow += r.verb;
        if (r.verb == "GET") match.allow += ", HEAD";
        if (r.verb == wanted && !match.what) {
            match.what = &r;
            match.variables = variables;
        }
    }
    if (!match.allow.empty()) match.allow += ", OPTIONS";
    return match;
}

}  // namespace sigrun::http
