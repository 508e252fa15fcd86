/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon's control socket as a test wants it; see fake-control.h. One thread, one client at a time.
 */
#include "fake-control.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct FakeControl {
    char *folder, *path;
    int listener;
    const char *greeting;
    const FakeReply *replies;
    GMutex lock;
    GString *requests;
    GThread *thread;
};

/* Write it in pieces, so that a client that takes one read for one line is found out. */
static void send_pieces(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t n = send(fd, text, MIN(left, 1000), MSG_NOSIGNAL);

        if (n <= 0) {
            return;
        }
        text += n;
        left -= (size_t)n;
    }
}

/* Answer one request; FALSE to hang up. */
static gboolean answer(FakeControl *fake, int fd, const char *line)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *text = NULL;
    JsonObject *request;

    g_assert_true(json_parser_load_from_data(parser, line, -1, NULL));
    request = json_node_get_object(json_parser_get_root(parser));
    for (const FakeReply *r = fake->replies; r->command; r++) {
        if (g_str_equal(r->command, json_object_get_string_member(request, "execute"))) {
            if (r->raw) {
                send_pieces(fd, r->raw);
                return FALSE;
            }
            text = g_strdup_printf("{\"%s\": %s, \"id\": %" G_GINT64_FORMAT "}\n",
                                   r->refuse ? "error" : "return", r->answer,
                                   json_object_get_int_member(request, "id"));
            send_pieces(fd, text);
            return TRUE;
        }
    }
    g_error("the test has no answer to %s", line);
}

static void serve(FakeControl *fake, int fd)
{
    g_autoptr(GString) line = g_string_new(NULL);
    char c;

    send_pieces(fd,
                fake->greeting ? fake->greeting : "{\"vhost-tier\": {\"version\": \"0.1.0\", \"pid\": 1}}\n");
    while (read(fd, &c, 1) == 1) {
        g_string_append_c(line, c);
        if (c == '\n') {
            g_mutex_lock(&fake->lock);
            g_string_append(fake->requests, line->str);
            g_mutex_unlock(&fake->lock);
            if (!answer(fake, fd, line->str)) {
                return;
            }
            g_string_truncate(line, 0);
        }
    }
}

static gpointer run(gpointer opaque)
{
    FakeControl *fake = opaque;
    int fd;

    while ((fd = accept(fake->listener, NULL, NULL)) >= 0) {
        serve(fake, fd);
        close(fd);
    }
    return NULL;
}

FakeControl *fake_control_new(const char *greeting, const FakeReply *replies)
{
    FakeControl *fake = g_new0(FakeControl, 1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    fake->folder = g_dir_make_tmp("fake-control-XXXXXX", NULL);
    fake->path = g_build_filename(fake->folder, "control.sock", NULL);
    fake->greeting = greeting;
    fake->replies = replies;
    fake->requests = g_string_new(NULL);
    g_mutex_init(&fake->lock);
    g_strlcpy(address.sun_path, fake->path, sizeof(address.sun_path));
    fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(fake->listener, 5), ==, 0);
    fake->thread = g_thread_new("fake-control", run, fake);
    return fake;
}

const char *fake_control_socket(FakeControl *fake)
{
    return fake->path;
}

char *fake_control_requests(FakeControl *fake)
{
    char *text;

    g_mutex_lock(&fake->lock);
    text = g_strdup(fake->requests->str);
    g_mutex_unlock(&fake->lock);
    return text;
}

void fake_control_free(FakeControl *fake)
{
    shutdown(fake->listener, SHUT_RDWR);
    g_thread_join(fake->thread);
    close(fake->listener);
    g_unlink(fake->path);
    g_rmdir(fake->folder);
    g_string_free(fake->requests, TRUE);
    g_mutex_clear(&fake->lock);
    g_free(fake->path);
    g_free(fake->folder);
    g_free(fake);
}
