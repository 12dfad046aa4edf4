/* The built files as they are, and compressed. */
    .section .rodata
.macro asset name, file
    .hidden sigrun_ui_\name
    .hidden sigrun_ui_\name\()_end
    .globl sigrun_ui_\name, sigrun_ui_\name\()_end
    .balign 16
sigrun_ui_\name:
    .incbin "\file"
sigrun_ui_\name\()_end:
.endm
    asset page, "index.html"
    asset page_gz, "index.html.gz"
    asset script, "app.js"
    asset script_gz, "app.js.gz"
    asset style, "app.css"
    asset style_gz, "app.css.gz"
    .section .note.GNU-stack, "", %progbits
