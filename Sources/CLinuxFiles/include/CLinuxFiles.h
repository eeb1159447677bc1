#ifndef CLinuxFiles_H
#define CLinuxFiles_H
#endif
