"""What SPEC §3 and §10 ask of TLS, in a subclass of aioquic's TLS 1.3 client.

Four things that aioquic has no option for, and where each is specified:

- the key exchange X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem, group 0x11EC), and no other;
- a relay is its key: SHA-256 of the SubjectPublicKeyInfo (RFC 7469 §2.4), names and chains ignored;
- signatures of ECDSA P-256 with SHA-256 alone;
- the exporter (RFC 8446 §7.5), from `exp master` at the one moment in which the key schedule
  holds the master secret and the transcript ends with the server's Finished (§7.1 there).
"""

import hashlib
from enum import IntEnum

from aioquic import tls
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from plico import signed


class Group(IntEnum):
    """TLS named groups."""

    X25519 = 0x001D
    X25519MLKEM768 = 0x11EC


KEM_KEY, KEM_CIPHERTEXT = 1184, 1088
"""Bytes of FIPS 203's ML-KEM-768."""


class Context(tls.Context):
    """One client handshake. aioquic makes the object; `adopt` turns it into one of these."""

    @staticmethod
    def adopt(context: tls.Context, pin: bytes, group: Group) -> None:
        """aioquic's connection has no place to name another class for its TLS context."""
        context.__class__ = Context
        context._signature_algorithms = [tls.SignatureAlgorithm.ECDSA_SECP256R1_SHA256]
        context.pin, context.group = pin, group
        context.exporter_master_secret = b""

    def exporter(self) -> bytes:
        """`exporter` of SPEC §10."""
        return signed.exporter_value(self.key_schedule.algorithm.name, self.exporter_master_secret)

    # The key exchange

    def _client_send_hello(self, output_buf) -> None:
        self.x25519 = x25519.X25519PrivateKey.generate()
        share = self.x25519.public_key().public_bytes_raw()
        if self.group == Group.X25519MLKEM768:
            self.mlkem = MLKEM768PrivateKey.generate()
            share = self.mlkem.public_key().public_bytes_raw() + share
        hello = tls.ClientHello(
            random=self.client_random,
            legacy_session_id=self.legacy_session_id,
            cipher_suites=[int(suite) for suite in self._cipher_suites],
            legacy_compression_methods=self._legacy_compression_methods,
            alpn_protocols=self._alpn_protocols,
            key_share=[(self.group, share)],
            signature_algorithms=self._signature_algorithms,
            supported_groups=[self.group],
            supported_versions=self._supported_versions,
            other_extensions=self.handshake_extensions,
        )
        self._key_schedule_proxy = tls.KeyScheduleProxy(self._cipher_suites)
        self._key_schedule_proxy.extract(None)
        with tls.push_message(self._key_schedule_proxy, output_buf):
            tls.push_client_hello(output_buf, hello)
        self._set_state(tls.State.CLIENT_EXPECT_SERVER_HELLO)

    def _client_handle_hello(self, input_buf, output_buf) -> None:
        hello = tls.pull_server_hello(input_buf)
        suite = tls.negotiate(
            self._cipher_suites, [hello.cipher_suite], tls.AlertHandshakeFailure("cipher suite")
        )
        if hello.supported_version not in self._supported_versions or hello.pre_shared_key is not None:
            raise tls.AlertIllegalParameter("a version or resumption that was not offered")
        if hello.key_share is None or hello.key_share[0] != self.group:
            raise tls.AlertIllegalParameter("a key exchange that was not offered")
        self.key_schedule = self._key_schedule_proxy.select(suite)
        self._key_schedule_proxy = None
        self.key_schedule.update_hash(input_buf.data)
        self.key_schedule.extract(self._shared(hello.key_share[1]))
        for direction, label in zip(tls.Direction, (b"s hs traffic", b"c hs traffic")):
            self._setup_traffic_protection(direction, tls.Epoch.HANDSHAKE, label)
        self._set_state(tls.State.CLIENT_EXPECT_ENCRYPTED_EXTENSIONS)

    def _shared(self, share: bytes) -> bytes:
        """ML-KEM's secret, then X25519's; the server's share is ciphertext, then key."""
        secret = b""
        try:
            if self.group == Group.X25519MLKEM768:
                secret = self.mlkem.decapsulate(share[:KEM_CIPHERTEXT])
                share = share[KEM_CIPHERTEXT:]
            return secret + self.x25519.exchange(x25519.X25519PublicKey.from_public_bytes(share))
        except ValueError:
            raise tls.AlertIllegalParameter("key share") from None

    # The relay's key

    def _client_handle_certificate(self, input_buf) -> None:
        super()._client_handle_certificate(input_buf)
        key = self._peer_certificate.public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if hashlib.sha256(spki).digest() != self.pin:
            raise tls.AlertBadCertificate("another key than the link's pin")

    # The exporter

    def _setup_traffic_protection(self, direction, epoch, label) -> None:
        if label == b"s ap traffic":
            self.exporter_master_secret = self.key_schedule.derive_secret(b"exp master")
        super()._setup_traffic_protection(direction, epoch, label)
