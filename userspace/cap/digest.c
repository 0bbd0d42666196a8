/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obmon/capability.h"

#define DIGEST_PREFIX "sha256:"
#define SHA256_BYTES 32

_Static_assert(sizeof(DIGEST_PREFIX) + 2 * SHA256_BYTES <= OBMON_DIGEST_MAX, "the digest's text fits");

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; texts && i < n; i++)
		free(texts[i]);
	free(texts);
}

/* The canonical texts of @set, sorted; NULL when out of memory. */
static char **sorted_texts(const struct obmon_cap_set *set)
{
	char **texts = calloc(set->n + 1, sizeof(texts[0]));

	for (size_t i = 0; texts && i < set->n; i++) {
		texts[i] = obmon_capability_format(&set->items[i]);
		if (!texts[i]) {
			free_texts(texts, i);
			return NULL;
		}
	}
	if (texts)
		qsort(texts, set->n, sizeof(texts[0]), compare_texts);
	return texts;
}

static bool hash_texts(unsigned char hash[EVP_MAX_MD_SIZE], char *const *texts, size_t n)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);

	for (size_t i = 0; ok && i < n; i++) {
		if (i && !strcmp(texts[i], texts[i - 1]))
			continue;
		ok = EVP_DigestUpdate(context, texts[i], strlen(texts[i])) && EVP_DigestUpdate(context, "\n", 1);
	}
	ok = ok && EVP_DigestFinal_ex(context, hash, NULL);
	EVP_MD_CTX_free(context);
	return ok;
}

int obmon_cap_set_digest(const struct obmon_cap_set *set, char digest[OBMON_DIGEST_MAX], struct obmon_error *err)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	char **texts = sorted_texts(set);
	char *end;
	bool ok;

	if (!texts)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "out of memory");
	ok = hash_texts(hash, texts, set->n);
	free_texts(texts, set->n);
	if (!ok)
		return obmon_fail(err, OBMON_ERR_INTERNAL, "libcrypto cannot compute SHA-256");
	end = stpcpy(digest, DIGEST_PREFIX);
	for (size_t i = 0; i < SHA256_BYTES; i++)
		end += sprintf(end, "%02x", hash[i]);
	return 0;
}
