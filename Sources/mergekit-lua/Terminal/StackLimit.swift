import Glibc

/// The limit of the main thread's stack, on which scripts, configs and headers are parsed.
enum StackLimit {
  /// What everything that is refused by its depth fits in.
  private static let needed = 4 << 20
  private static let usual = 8 << 20

  /// Raises the limit to the usual one. Returns what is wrong if it is, and stays, too low.
  static func raise() -> String? {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_STACK.rawValue)
    guard getrlimit(resource, &limit) == 0, limit.rlim_cur < rlim_t(usual) else { return nil }
    let found = limit.rlim_cur
    // The kernel asks for the limit when the stack grows, so that it counts from now on.
    limit.rlim_cur = min(limit.rlim_max, rlim_t(usual))
    if setrlimit(resource, &limit) == 0, limit.rlim_cur >= rlim_t(needed) { return nil }
    return found >= rlim_t(needed)
      ? nil
      : "the stack is limited to \(found >> 10) KB, and \(needed >> 10) KB are needed; raise it with `ulimit -s \(usual >> 10)`"
  }
}
