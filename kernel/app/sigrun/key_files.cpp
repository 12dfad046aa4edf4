#include "kernel/app/sigrun/key_files.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/private_file.hpp"

#include <unistd.h>

namespace sigrun::cli {

int make_key_files(context& ctx, const std::string& name, const key_purpose& purpose) {
    const std::string secret = name + ".key", open = name + ".pub";
    const auto pair = need(make_ed25519_pair());
    const auto id = need(ed25519_key_id(pair.public_pem));
    need(write_new_file(open, "# sigrun " + purpose.what + " key " + id + "\n" + purpose.example + pair.public_pem,
                        0644));
    if (auto written = write_new_file(secret, pair.private_pem, 0600); !written) {
        ::unlink(open.c_str());
        throw failure(written.error());
    }
    if (ctx.json())
        context::print(json::serialize(json::object{{"key", id}, {"private", secret}, {"public", open}}) + "\n");
    else
        context::print("key " + id + "\n" + printable(secret) + ": keep it secret; " + purpose.signs + "\n" +
                       printable(open) + ": goes to " + purpose.goes_to + "\n");
    return k_ok;
}

}  // namespace sigrun::cli
