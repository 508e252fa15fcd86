/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading JSON that comes from another process: a field that is missing, null or of the wrong type reads as
 * absent, never as an assertion of the JSON library's. What is returned belongs to the object.
 */
#ifndef VHOST_TIER_CLIENT_FIELDS_H
#define VHOST_TIER_CLIENT_FIELDS_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

/* All take NULL for @object, as one without fields. */
const char *field_string(JsonObject *object, const char *key);      /* NULL when absent */
double field_number(JsonObject *object, const char *key);           /* NaN when absent */
/* also when negative or fractional */
uint64_t field_uint(JsonObject *object, const char *key, uint64_t fallback);
bool field_bool(JsonObject *object, const char *key);               /* false when absent */
JsonObject *field_object(JsonObject *object, const char *key);      /* NULL when absent */
JsonArray *field_array(JsonObject *object, const char *key);        /* NULL when absent */

/* The node as an object or an array; NULL where it is none. */
JsonObject *node_object(JsonNode *node);
JsonArray *node_array(JsonNode *node);

/* Arrays: 0 elements for NULL; elements of another type read as NULL. */
guint elements(JsonArray *array);
JsonObject *element_object(JsonArray *array, guint index);
const char *element_string(JsonArray *array, guint index);
JsonArray *element_array(JsonArray *array, guint index);
/* NaN, or 0, where the element is no number, or none of 0 or more that is whole. */
double element_number(JsonArray *array, guint index);
uint64_t element_uint(JsonArray *array, guint index);

#endif /* VHOST_TIER_CLIENT_FIELDS_H */
