#include "kernel/app/sigrun/key_files.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/private_file.hpp"

#include <unistd.h>

namespace sigrun::cli {

int make_key_files(context& ctx, const std::string& name, const key_purpose& purpose) {
    const std::string secret = name + ".key", open = name + ".pub";
    for (const auto& path : {secret, open})
        if (::access(path.c_str(), F_OK) == 0)
            throw failure(problem{errc::conflict, "a key is never written over", "name", "one without files", path});
    const auto pair = need(make_ed25519_pair());
    const auto id = need(ed25519_key_id(pair.public_pem));
    need(write_whole_file(secret, pair.private_pem, 0600));
    need(write_whole_file(open, "# sigrun " + purpose.what + " key " + id + "\n" + purpose.example + pair.public_pem,
                          0644));
    if (ctx.json())
        context::print(json::serialize(json::object{{"key", id}, {"private", secret}, {"public", open}}) + "\n");
    else
        context::print("key " + id + "\n" + printable(secret) + ": keep it secret; " + purpose.signs + "\n" +
                       printable(open) + ": goes to " + purpose.goes_to + "\n");
    return k_ok;
}

}  // namespace sigrun::cli
