# find_package(crdtsync): the target crdtsync::crdtsync, which is a directory
# of headers: <crdtsync.h> and adapters, <crdtsync_*.h>.
get_filename_component(crdtsync_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.."
                       ABSOLUTE)
if(NOT TARGET crdtsync::crdtsync)
  add_library(crdtsync::crdtsync INTERFACE IMPORTED)
  set_target_properties(crdtsync::crdtsync PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES
    "${crdtsync_prefix}/include;${crdtsync_prefix}/include/crdtsync")
endif()
unset(crdtsync_prefix)
