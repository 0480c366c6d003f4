#include "../common/posix.h"

#include "pass.h"
#include "../common/json.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>

int pass_key_read(pass_key *out, const char *path, int make, char *why,
                  size_t size)
{
    if (make && access(path, F_OK))
        return key_make(out->bytes, path, why, size);
    return key_read(out->bytes, path, why, size);
}

/* >>passes ---------------------------------------------------------------- */

void pass_derive(pass *shown, const pass_key *key)
{
    uint8_t text[1 + 8 + PASS_SERIAL_SIZE];
    size_t i;
    text[0] = shown->rights;
    for (i = 0; i < 8; i++)
        text[1 + i] = (uint8_t)(shown->until >> (8 * i));
    memcpy(text + 9, shown->serial, PASS_SERIAL_SIZE);
    crypto_generichash(shown->secret.bytes, sizeof shown->secret.bytes, text,
                       sizeof text, key->bytes, sizeof key->bytes);
}

void pass_make(pass *out, const pass_key *key, unsigned rights, uint64_t until)
{
    out->rights = (uint8_t)rights;
    out->until = until;
    randombytes_buf(out->serial, sizeof out->serial);
    pass_derive(out, key);
}

/* >>JSON ------------------------------------------------------------------ */

/* Serials are as long as keys: one way to write both. */
static void add_key(cJSON *object, const char *name, const uint8_t *key)
{
    char text[KEY_TEXT];
    key_text(text, key);
    json_text(object, name, text);
}

static int get_key(uint8_t *out, const cJSON *object, const char *name)
{
    const char *text = json_get_text(object, name);
    return text && key_from_text(out, text);
}

cJSON *pass_json(const pass *p)
{
    cJSON *object = cJSON_CreateObject();
    json_number(object, "rights", p->rights);
    json_uint64(object, "until", p->until);
    add_key(object, "serial", p->serial);
    add_key(object, "secret", p->secret.bytes);
    return object;
}

int pass_from_json(pass *out, const cJSON *object)
{
    pass p;
    double rights = json_get_number(object, "rights");
    int64_t until = json_get_int64(object, "until");
    if (rights < 1 || rights > 7 || until <= 0 ||
        !get_key(p.serial, object, "serial") ||
        !get_key(p.secret.bytes, object, "secret"))
        return 0;
    p.rights = (uint8_t)rights;
    p.until = (uint64_t)until;
    *out = p;
    return 1;
}
