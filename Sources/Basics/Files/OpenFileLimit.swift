import Glibc

/// The limit of open files: a checkpoint may have more shards than the usual soft limit of 1024.
package enum OpenFileLimit {
  private static let limit: Int = {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard getrlimit(resource, &limit) == 0 else { return 0 }
    var raised = limit
    raised.rlim_cur = limit.rlim_max
    if setrlimit(resource, &raised) == 0 { limit = raised }
    return Int(clamping: limit.rlim_cur)
  }()

  /// Raises the soft limit to the hard one, once.
  package static func raise() { _ = limit }

  /// The soft limit.
  package static var current: Int { limit }
}
