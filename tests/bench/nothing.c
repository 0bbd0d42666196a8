// SPDX-License-Identifier: Apache-2.0
/* nothing: a static true(1), for timing what it takes to execute a binary. */
int main(void)
{
	return 0;
}
