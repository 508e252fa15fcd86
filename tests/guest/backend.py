# SPDX-License-Identifier: GPL-2.0-or-later
"""A vhost-user back end of virtio-tier that does as it is told: answer as the specification says, or wrongly in one way.

It serves one connection at a time, in a thread, and knows as much of vhost-user as QEMU needs. MODES says what there is.
"""
import mmap
import os
import select
import socket
import struct
import sys
import threading

MODES = {
    'honest': 'answers as the specification says',
    'silent': 'never answers',
    'status': 'a status of a request that does not exist',
    'range-status': 'a status of a range that does not exist',
    'refuse': 'status RATE for the whole request, with no entries',
    'short': 'says that it wrote four bytes',
    'none': 'says that it wrote nothing',
    'long': 'says that it wrote a GiB',
    'cookie': 'a cookie of another request',
    'count': 'more entries than there were ranges',
    'id': 'gives back a buffer that does not exist',
    'twice': 'gives back each buffer twice',
    'index': 'puts its index far ahead',
    'sick': 'has QEMU say that the device needs a reset, as soon as the driver has started it',
}

# Requests of vhost-user, and what is offered.
GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = 15, 16, 17, 18
GET_CONFIG, SET_STATUS, GET_STATUS = 24, 39, 40
FEATURES = 1 << 32 | 1 << 30 | 0b11 << 28 | 0b111   # version 1, protocol features, event index, indirect; PIN, QUERY, EVENTS
PROTOCOL_FEATURES = 1 << 0 | 1 << 3 | 1 << 9  # MQ, REPLY_ACK, CONFIG
NEED_REPLY, REPLY, VERSION = 1 << 3, 1 << 2, 1
NO_FD = 1 << 8

HINT, EVENT = 0, 1
HOT, COLD, FREE, QUERY = 1, 2, 4, 7
PAGE = 4096
S_OK, S_RATE = 0, 4
DESC_NEXT, DESC_WRITE, DESC_INDIRECT = 1, 2, 4


class Queue:
    """A split virtqueue: where it is, and how far we are."""

    def __init__(self):
        self.size = self.used_index = self.seen = 0
        self.desc = self.used = self.avail = 0      # guest physical
        self.kick = self.call = self.err = -1
        self.enabled = False


class Backend:
    """Listens on a path; `mode` may be set at any time and goes for requests from then on."""

    def __init__(self, path):
        self.mode = 'honest'
        self.requests = 0           # that came, answered or not
        self.told = {}              # ranges of these, by type
        self.hot = set()            # pages that were told as HOT last
        self.max_ranges_per_s = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(4)
        self.lock = threading.RLock()
        self._forget()
        threading.Thread(target=self._serve, daemon=True).start()

    def _forget(self):
        self.memory = []            # (guest physical, user address of QEMU's, size, mapping, offset)
        self.queues = [Queue(), Queue()]

    def _serve(self):
        while True:
            connection, _ = self.listener.accept()
            with connection:
                self._forget()
                try:
                    self._talk(connection)
                except ConnectionError:
                    pass
                except (OSError, IndexError, ValueError, struct.error) as e:
                    print(f'backend: connection ended: {type(e).__name__}: {e}', file=sys.stderr)

    def _talk(self, connection):
        while True:
            kicks = {q.kick: q for q in self.queues if q.kick >= 0}
            readable, _, _ = select.select([connection, *kicks], [], [])
            for fd in readable:
                if fd is connection:
                    self._message(connection)
                elif fd in kicks:
                    os.read(fd, 8)
                    with self.lock:
                        if kicks[fd] is self.queues[HINT]:
                            self._hints()

    # vhost-user

    def _message(self, connection):
        head, fds, _, _ = socket.recv_fds(connection, 12, 8)
        if len(head) < 12:
            raise ConnectionError
        request, flags, size = struct.unpack('<III', head)
        body = b''
        while len(body) < size:
            more = connection.recv(size - len(body))
            if not more:
                raise ConnectionError
            body += more
        with self.lock:
            answer = self._request(request, body, list(fds))
        if answer is None and flags & NEED_REPLY:
            answer = struct.pack('<Q', 0)
        if answer is not None:
            connection.sendall(struct.pack('<III', request, VERSION | REPLY, len(answer)) + answer)

    def _request(self, request, body, fds):
        if request == GET_FEATURES:
            return struct.pack('<Q', FEATURES)
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack('<Q', PROTOCOL_FEATURES)
        if request == GET_QUEUE_NUM:
            return struct.pack('<Q', 2)
        if request == GET_CONFIG:
            offset, size, flags = struct.unpack_from('<III', body)
            config = struct.pack('<QQQIIII', 4096, 64 << 20, 16 << 20, 1024, self.max_ranges_per_s, 2, 0)
            return struct.pack('<III', offset, size, flags) + config[offset:offset + size].ljust(size, b'\0')
        if request == GET_STATUS:
            return struct.pack('<Q', 0)
        if request == SET_MEM_TABLE:
            self._memory_table(body, fds)
        elif request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
            number = struct.unpack('<Q', body)[0]
            name = {SET_VRING_KICK: 'kick', SET_VRING_CALL: 'call', SET_VRING_ERR: 'err'}[request]
            setattr(self.queues[number & 0xff], name, -1 if number & NO_FD else fds[0])
        elif request == SET_VRING_ADDR:
            index, _, desc, used, avail, _ = struct.unpack('<IIQQQQ', body)
            q = self.queues[index]
            q.desc, q.used, q.avail = (self._physical(a) for a in (desc, used, avail))
        elif request in (SET_VRING_NUM, SET_VRING_BASE, SET_VRING_ENABLE, GET_VRING_BASE):
            index, number = struct.unpack('<II', body)
            return self._queue_request(request, index, number)
        return None

    def _queue_request(self, request, index, number):
        q = self.queues[index]
        if request == SET_VRING_NUM:
            q.size = number
        elif request == SET_VRING_BASE:
            q.seen = q.used_index = number
        elif request == SET_VRING_ENABLE:
            q.enabled = bool(number)
            if q.enabled and index == HINT:
                if self.mode == 'sick':
                    self.break_queue()
                self._hints()       # the kick may have come, and have been read, before
        else:
            q.kick = -1
            q.enabled = False
            return struct.pack('<II', index, q.seen)
        return None

    def _memory_table(self, body, fds):
        n = struct.unpack_from('<I', body)[0]
        self.memory = []
        for i in range(n):
            physical, size, user, offset = struct.unpack_from('<QQQQ', body, 8 + 32 * i)
            mapping = mmap.mmap(fds[i], size + offset)
            os.close(fds[i])
            self.memory.append((physical, user, size, mapping, offset))

    # the guest's memory

    def _physical(self, user):
        for physical, start, size, _, _ in self.memory:
            if start <= user < start + size:
                return user - start + physical
        raise ConnectionError

    def _at(self, address):
        for physical, _, size, mapping, offset in self.memory:
            if physical <= address < physical + size:
                return mapping, address - physical + offset
        raise ConnectionError

    def _read(self, address, size):
        mapping, at = self._at(address)
        return mapping[at:at + size]

    def _write(self, address, data):
        mapping, at = self._at(address)
        mapping[at:at + len(data)] = data

    def _u16(self, address):
        return struct.unpack('<H', self._read(address, 2))[0]

    # queues

    def _take(self, q):
        """The next chain as (id, what it says, [(address, size) to write to]); None: there is none."""
        if not q.enabled or self._u16(q.avail + 2) == q.seen:
            return None
        head = at = self._u16(q.avail + 4 + 2 * (q.seen % q.size))
        q.seen = (q.seen + 1) & 0xffff
        self._write(q.used + 4 + 8 * q.size, struct.pack('<H', q.seen))     # tell us of the next one, too
        table, said, room = q.desc, b'', []
        for _ in range(q.size):
            address, size, flags, following = struct.unpack('<QIHH', self._read(table + 16 * at, 16))
            if flags & DESC_INDIRECT:
                table, at = address, 0
                continue
            if flags & DESC_WRITE:
                room.append((address, size))
            else:
                said += self._read(address, size)
            if not flags & DESC_NEXT:
                break
            at = following
        return head, said, room

    def _give(self, q, number, used):
        self._write(q.used + 4 + 8 * (q.used_index % q.size), struct.pack('<II', number, used))
        q.used_index = (q.used_index + 1) & 0xffff
        self._write(q.used + 2, struct.pack('<H', q.used_index))

    def _signal(self, q):
        if q.call >= 0:
            os.write(q.call, struct.pack('<Q', 1))

    def _fill(self, room, data):
        for address, size in room:
            self._write(address, data[:size])
            data = data[size:]

    def _hints(self):
        q = self.queues[HINT]
        while (chain := self._take(q)) is not None:
            self.requests += 1
            if self.mode != 'silent':
                self._answer(q, *chain)
        self._signal(q)

    def _answer(self, q, number, said, room):
        kind, _, n, cookie = struct.unpack_from('<HHIQ', said)
        self.told[kind] = self.told.get(kind, 0) + n
        for i in range(n):
            self._keep(kind, *struct.unpack_from('<QQ', said, 16 + 16 * i))
        status, entry_status, count = S_OK, S_OK, n
        if self.mode == 'status':
            status = 77
        elif self.mode == 'range-status':
            entry_status = 99
        elif self.mode == 'refuse':
            status, count = S_RATE, 0
        elif self.mode == 'cookie':
            cookie += 1
        elif self.mode == 'count':
            count += 1000
        answer = struct.pack('<IIQ', status, count, cookie)
        if status == S_OK:
            for i in range(n):
                _, length = struct.unpack_from('<QQ', said, 16 + 16 * i)
                if kind == QUERY:
                    answer += struct.pack('<IIQQQQQQ', entry_status, 0, length, 0, 0, 0, 0, 1)
                else:
                    answer += struct.pack('<I', entry_status)
        used = {'short': 4, 'none': 0, 'long': 1 << 30}.get(self.mode, len(answer))
        self._fill(room, answer)
        self._give(q, number + 1000 if self.mode == 'id' else number, used)
        if self.mode == 'twice':
            self._give(q, number, used)
        elif self.mode == 'index':
            q.used_index = (q.used_index + 3 * q.size) & 0xffff
            self._write(q.used + 2, struct.pack('<H', q.used_index))

    def _keep(self, kind, address, length):
        pages = range(address // PAGE, (address + length) // PAGE)
        if kind == HOT:
            self.hot.update(pages)
        elif kind in (COLD, FREE):
            self.hot.difference_update(pages)

    # what the guest's scripts ask for

    def share_of_hot(self, pages):
        """Percent of what was told as HOT that lies in `pages`, and of these, what was told as HOT."""
        both = 100 * len(self.hot & pages)
        return both // max(len(self.hot), 1), both // max(len(pages), 1)

    def event(self, kind, reason, value, size=24):
        """One event, of which we say that it has `size` bytes; whether there was a buffer for it."""
        with self.lock:
            q = self.queues[EVENT]
            chain = self._take(q)
            if chain is None:
                return False
            self._fill(chain[2], struct.pack('<IIQQ', kind, reason, value, 0))
            self._give(q, chain[0], size)
            self._signal(q)
            return True

    def flood(self, n):
        """Give the same event buffers back again and again, `n` times, all at once."""
        with self.lock:
            q = self.queues[EVENT]
            for _ in range(n):
                chain = self._take(q)
                if chain is None:
                    break
                self._give(q, chain[0], 24)
            self._signal(q)

    def break_queue(self):
        """As a daemon that found the ring to be broken: QEMU marks the device as in need of a reset."""
        with self.lock:
            os.write(self.queues[HINT].err, struct.pack('<Q', 1))
