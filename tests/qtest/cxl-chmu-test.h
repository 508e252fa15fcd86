/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that the tests of the CXL hotness monitoring unit come in. */
#ifndef QTEST_CXL_CHMU_TEST_H
#define QTEST_CXL_CHMU_TEST_H

void add_counting_tests(void);
void add_hotlist_tests(void);
void add_lifetime_tests(void);
void add_random_tests(void);

#endif /* QTEST_CXL_CHMU_TEST_H */
