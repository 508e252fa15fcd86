/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading JSON that comes from another process; see fields.h.
 */
#include "client/fields.h"

#include <math.h>

/* @node, where it is a value of this type. */
static JsonNode *of_type(JsonNode *node, GType type)
{
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type ? node : NULL;
}

static JsonNode *member(JsonObject *object, const char *key)
{
    return object ? json_object_get_member(object, key) : NULL;
}

static JsonNode *value(JsonObject *object, const char *key, GType type)
{
    return of_type(member(object, key), type);
}

static JsonNode *element(JsonArray *array, guint index)
{
    return index < elements(array) ? json_array_get_element(array, index) : NULL;
}

static double number_of(JsonNode *node)
{
    return of_type(node, G_TYPE_DOUBLE) || of_type(node, G_TYPE_INT64) ? json_node_get_double(node) : NAN;
}

static uint64_t uint_of(JsonNode *node, uint64_t fallback)
{
    return of_type(node, G_TYPE_INT64) && json_node_get_int(node) >= 0 ? (uint64_t)json_node_get_int(node)
                                                                       : fallback;
}

const char *field_string(JsonObject *object, const char *key)
{
    JsonNode *node = value(object, key, G_TYPE_STRING);

    return node ? json_node_get_string(node) : NULL;
}

double field_number(JsonObject *object, const char *key)
{
    return number_of(member(object, key));
}

uint64_t field_uint(JsonObject *object, const char *key, uint64_t fallback)
{
    return uint_of(member(object, key), fallback);
}

bool field_bool(JsonObject *object, const char *key)
{
    JsonNode *node = value(object, key, G_TYPE_BOOLEAN);

    return node && json_node_get_boolean(node);
}

JsonObject *field_object(JsonObject *object, const char *key)
{
    return node_object(member(object, key));
}

JsonArray *field_array(JsonObject *object, const char *key)
{
    return node_array(member(object, key));
}

JsonObject *node_object(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *node_array(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

guint elements(JsonArray *array)
{
    return array ? json_array_get_length(array) : 0;
}

JsonObject *element_object(JsonArray *array, guint index)
{
    return node_object(element(array, index));
}

JsonArray *element_array(JsonArray *array, guint index)
{
    return node_array(element(array, index));
}

const char *element_string(JsonArray *array, guint index)
{
    JsonNode *node = of_type(element(array, index), G_TYPE_STRING);

    return node ? json_node_get_string(node) : NULL;
}

double element_number(JsonArray *array, guint index)
{
    return number_of(element(array, index));
}

uint64_t element_uint(JsonArray *array, guint index)
{
    return uint_of(element(array, index), 0);
}
