/// The nodes of a graph by what they are, so that a node that is there already is found.
///
/// Open addressing with linear probing, at most half full; what follows a removed entry moves up.
struct NodeTable {
  /// Indices of nodes; −1 is an empty place.
  private var places: [Int32]
  private var hashes: [UInt32]
  private var count = 0
  private var mask: Int

  init() {
    places = Array(repeating: -1, count: 256)
    hashes = Array(repeating: 0, count: 256)
    mask = 255
  }

  /// The first node with this hash that `isSame` accepts.
  func find(_ hash: UInt32, _ isSame: (Int32) -> Bool) -> Int32? {
    var place = Int(hash) & mask
    while places[place] >= 0 {
      if hashes[place] == hash, isSame(places[place]) { return places[place] }
      place = (place &+ 1) & mask
    }
    return nil
  }

  mutating func insert(_ node: Int32, _ hash: UInt32) {
    count += 1
    if 2 * count > places.count { grow() }
    put(node, hash)
  }

  private mutating func put(_ node: Int32, _ hash: UInt32) {
    var place = Int(hash) & mask
    while places[place] >= 0 { place = (place &+ 1) & mask }
    places[place] = node
    hashes[place] = hash
  }

  private mutating func grow() {
    let (oldPlaces, oldHashes) = (places, hashes)
    places = Array(repeating: -1, count: 2 * oldPlaces.count)
    hashes = Array(repeating: 0, count: 2 * oldPlaces.count)
    mask = places.count - 1
    for (node, hash) in zip(oldPlaces, oldHashes) where node >= 0 { put(node, hash) }
  }

  /// Takes a node out that is in the table.
  mutating func remove(_ node: Int32, _ hash: UInt32) {
    var place = Int(hash) & mask
    while places[place] != node { place = (place &+ 1) & mask }
    count -= 1
    // An entry that could not be put nearer to where it belongs goes to the place that is free now.
    var next = (place &+ 1) & mask
    while places[next] >= 0 {
      let distance = (next &- Int(hashes[next])) & mask
      if distance >= (next &- place) & mask {
        places[place] = places[next]
        hashes[place] = hashes[next]
        place = next
      }
      next = (next &+ 1) & mask
    }
    places[place] = -1
  }
}
