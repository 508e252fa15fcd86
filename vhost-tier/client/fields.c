/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading JSON that comes from another process; see fields.h.
 */
#include "client/fields.h"

#include <math.h>

static JsonNode *value(JsonObject *object, const char *key, GType type)
{
    JsonNode *node = object ? json_object_get_member(object, key) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type ? node : NULL;
}

const char *field_string(JsonObject *object, const char *key)
{
    JsonNode *node = value(object, key, G_TYPE_STRING);

    return node ? json_node_get_string(node) : NULL;
}

double field_number(JsonObject *object, const char *key)
{
    JsonNode *node = value(object, key, G_TYPE_DOUBLE);

    if (!node) {
        node = value(object, key, G_TYPE_INT64);
    }
    return node ? json_node_get_double(node) : NAN;
}

uint64_t field_uint(JsonObject *object, const char *key, uint64_t fallback)
{
    JsonNode *node = value(object, key, G_TYPE_INT64);

    return node && json_node_get_int(node) >= 0 ? (uint64_t)json_node_get_int(node) : fallback;
}

bool field_bool(JsonObject *object, const char *key)
{
    JsonNode *node = value(object, key, G_TYPE_BOOLEAN);

    return node && json_node_get_boolean(node);
}

JsonObject *field_object(JsonObject *object, const char *key)
{
    return object ? node_object(json_object_get_member(object, key)) : NULL;
}

JsonArray *field_array(JsonObject *object, const char *key)
{
    return object ? node_array(json_object_get_member(object, key)) : NULL;
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
    return index < elements(array) ? node_object(json_array_get_element(array, index)) : NULL;
}

const char *element_string(JsonArray *array, guint index)
{
    JsonNode *node = index < elements(array) ? json_array_get_element(array, index) : NULL;

    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
        ? json_node_get_string(node) : NULL;
}
