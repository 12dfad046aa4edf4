/* Looks for members of JSON text that a daemon made. Nothing is built: a value is a place in the text. */
#include "json.h"

#include <sigrun/client.h>

#include <stdlib.h>
#include <string.h>

static const char* space(const char* at) {
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') ++at;
    return at;
}

/* Behind the string that begins at `at`; NULL: it does not end. */
static const char* string_end(const char* at) {
    for (++at; *at && *at != '"'; ++at)
        if (*at == '\\' && !*++at) return NULL;
    return *at ? at + 1 : NULL;
}

/* Behind the value that begins at `at`, by counting brackets; NULL: it does not end. */
static const char* value_end(const char* at) {
    int depth = 0;
    do {
        if (*at == '"') {
            if (!(at = string_end(at))) return NULL;
            continue;
        }
        if (*at == '{' || *at == '[') ++depth;
        if (*at == '}' || *at == ']') {
            if (depth == 0) return at;
            --depth;
        } else if (depth == 0 && *at == ',') {
            return at;
        }
        if (!*at) return depth == 0 ? at : NULL;
        ++at;
    } while (depth > 0 || (*at && *at != ',' && *at != '}' && *at != ']'));
    return at;
}

const char* json_member(const char* object, const char* name, size_t length) {
    const char* at = object ? space(object) : "";
    if (*at != '{') return NULL;
    at = space(at + 1);
    while (*at == '"') {
        const char *key = at + 1, *end = string_end(at);
        if (!end) return NULL;
        const int same = (size_t)(end - 1 - key) == length && memcmp(key, name, length) == 0;
        at = space(end);
        if (*at != ':') return NULL;
        at = space(at + 1);
        if (same) return at;
        if (!(at = value_end(at))) return NULL;
        at = space(at);
        if (*at == ',') at = space(at + 1);
    }
    return NULL;
}

static int hex4(const char* at) {
    int value = 0;
    for (int i = 0; i < 4; ++i) {
        const char c = at[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char* utf8(char* out, unsigned long c) {
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* The text of the string at `at` without its escapes. */
static char* unescaped(const char* at) {
    const char* end = string_end(at);
    /* Never longer than it is written: \u12ab is six characters and at most three bytes. */
    char* text = end ? malloc((size_t)(end - at)) : NULL;
    if (!text) return NULL;
    char* out = text;
    for (++at; at < end - 1; ++at) {
        if (*at != '\\') {
            *out++ = *at;
            continue;
        }
        ++at;
        if (*at != 'u') {
            const char *written = "nrtbf", *meant = "\n\r\t\b\f", *known = strchr(written, *at);
            *out++ = known ? meant[known - written] : *at;
            continue;
        }
        long c = end - at > 5 ? hex4(at + 1) : -1;
        if (c < 0) {
            free(text);
            return NULL;
        }
        at += 4;
        if (c >= 0xd800 && c < 0xdc00 && end - at > 7 && at[1] == '\\' && at[2] == 'u') {
            const long low = hex4(at + 3);
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                at += 6;
            }
        }
        out = utf8(out, (unsigned long)c);
    }
    *out = 0;
    return text;
}

char* sigrun_json_text(const char* json, const char* path) {
    for (const char* dot; (dot = strchr(path, '.')); path = dot + 1)
        if (!(json = json_member(json, path, (size_t)(dot - path)))) return NULL;
    const char* at = json_member(json, path, strlen(path));
    if (!at || *at == '{' || *at == '[' || *at == 'n') return NULL;
    if (*at == '"') return unescaped(at);
    const size_t length = strcspn(at, ",}] \t\r\n");
    char* text = malloc(length + 1);
    if (!text) return NULL;
    memcpy(text, at, length);
    text[length] = 0;
    return text;
}

double sigrun_json_number(const char* json, const char* path, double otherwise) {
    char *text = sigrun_json_text(json, path), *end = text;
    const double number = text ? strtod(text, &end) : otherwise;
    const int good = text && end != text && !*end;
    free(text);
    return good ? number : otherwise;
}
