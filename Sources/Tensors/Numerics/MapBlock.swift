/// Puts `function` of each of `count` elements into `destination`, which is `source` or does not overlap it.
///
/// The case in place has a loop of its own: with two pointers LLVM guards the vector loop by a test that
/// they do not overlap, and would run one element at a time.
@inline(__always)
func mapBlock<Value>(
  _ source: UnsafePointer<Value>, _ destination: UnsafeMutablePointer<Value>, _ count: Int,
  _ function: (Value) -> Value
) {
  if source == UnsafePointer(destination) {
    for index in 0..<count { destination[index] = function(destination[index]) }
  } else {
    for index in 0..<count { destination[index] = function(source[index]) }
  }
}
