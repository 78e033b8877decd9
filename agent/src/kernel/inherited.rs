//! Keeps descriptors that this program was started with from its children.
//!
//! Everything that Rust opens is closed on exec; what a shell, a supervisor or a build tool left open is not.

/// Marks every descriptor from 3 up as closed on exec. It closes nothing.
///
/// Before Linux 5.11 the kernel cannot do it (ENOSYS, EINVAL); then children get what this program was given, no more.
pub fn close_on_exec() {
    mark();
}

#[expect(unsafe_code, reason = "no wrapper has close_range with CLOSE_RANGE_CLOEXEC")]
fn mark() {
    // SAFETY: The call takes no pointer, and with this flag it changes no descriptor's ownership or lifetime.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}
