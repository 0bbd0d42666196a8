// SPDX-License-Identifier: Apache-2.0
#include "cap/rights.h"

#include <stddef.h>

static const struct {
	enum obmon_cap_type type;
	uint32_t rights;
} right_types[OBMON_RIGHT_MAX] = {
	[OBMON_RIGHT_READ] = { OBMON_CAP_FILE_READ, OBMON_RIGHT_BIT(OBMON_RIGHT_READ) },
	[OBMON_RIGHT_WRITE] = { OBMON_CAP_FILE_WRITE, OBMON_RIGHT_BIT(OBMON_RIGHT_WRITE) },
	[OBMON_RIGHT_EXEC] = { OBMON_CAP_EXTERNAL_COMMAND, OBMON_RIGHT_BIT(OBMON_RIGHT_EXEC) },
	[OBMON_RIGHT_LOAD] = { OBMON_CAP_LIBRARY_LOAD, OBMON_RIGHT_BIT(OBMON_RIGHT_LOAD) },
	[OBMON_RIGHT_LIST] = { OBMON_CAP_FILE_READ, 0 }, /* comes with FILE_READ, see add_listing() */
	[OBMON_RIGHT_CONNECT] = { OBMON_CAP_NETWORK_CONNECT, OBMON_RIGHT_BIT(OBMON_RIGHT_CONNECT) },
	[OBMON_RIGHT_LISTEN] = { OBMON_CAP_NETWORK_LISTEN, OBMON_RIGHT_BIT(OBMON_RIGHT_LISTEN) },
};

uint32_t rights_of_type(enum obmon_cap_type type)
{
	size_t right;

	for (right = 0; right < OBMON_RIGHT_MAX; right++)
		if (right_types[right].type == type && right_types[right].rights)
			return right_types[right].rights;
	return 0;
}

enum obmon_cap_type type_of_right(enum obmon_right right)
{
	return right_types[right].type;
}
